// The choice of the driver, and what is said when it cannot be had. Uses the Docker engine of this machine.

import { describe, expect, test } from 'vitest'
import { commandRepository } from './command.ts'

const unreachable = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' }

describe.concurrent('drivers', () => {
  test('docker asked for and not reachable exits with 4 and says what was tried', async () => {
    using repository = commandRepository({ build: 'true' })
    const { status, stderr } = await repository.slipway(['run', '--driver', 'docker'], { environment: unreachable })
    expect(status).toBe(4)
    expect(stderr).toContain('unix:///nonexistent/docker.sock')
  })

  test('auto falls back to the host, and says so', async () => {
    using repository = commandRepository({ build: 'echo built' })
    const { status, stdout } = await repository.slipway(['run'], { environment: unreachable })
    expect(status).toBe(0)
    expect(stdout).toContain('Docker is not reachable: tasks run on this machine with the host driver')
    expect(stdout).toContain('[build] built\n')
  })

  test('what needs containers fails on the host and says what it needs', async () => {
    using repository = commandRepository({
      build: { run: 'true', runtime: { containers: [{ image: 'busybox' }, { image: 'postgres' }] } },
    })
    const { status, stdout } = await repository.run()
    expect(status).toBe(1)
    expect(stdout).toMatch(/build.*needs docker/)
  })

  test('an image that cannot be had fails its task, with the answer of the registry', async () => {
    using repository = commandRepository({
      build: { run: 'true', image: 'localhost:1/no/such-image:none' },
      other: 'true',
    })
    const { status, stdout } = await repository.slipway(['run', '--driver', 'docker', '--task', 'build'])
    expect(status).toBe(1)
    expect(stdout).toContain('✗ build: cannot pull image localhost:1/no/such-image:none: ')
  })
})
