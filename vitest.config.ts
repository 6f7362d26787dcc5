import { defineConfig } from 'vitest/config'

// Unit tests stand beside the code, test/ is end to end. Files share a worker (isolate: false is 4 times faster), so no
// module may hold state.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts', 'web/src/**/*.test.ts'],
    globalSetup: ['test/support/ceph-setup.ts'],
    isolate: false,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
