import { crashSuite } from './crash-suite.ts'

crashSuite('docker', { randomCount: 20 })
