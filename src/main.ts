// Entry of the `slipway` command.

import { processIo } from './cli/io.ts'
import { runProgram } from './cli/program.ts'
import { version } from './version.ts'

process.exitCode = await runProgram(process.argv.slice(2), processIo(), version)
