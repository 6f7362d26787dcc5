import { defineConfig } from 'vitest/config'
import { AnswersReporter } from './test/support/answers-reporter.ts'
import { FlakyReporter } from './test/support/flaky-reporter.ts'

const { CI, SLIPWAY_FIGURES: figures, SLIPWAY_TEST_REPORT: report } = process.env

// Unit tests stand beside the code, test/ is end to end. Files share a worker (isolate: false is 4 times faster), so no
// module may hold state.
export default defineConfig({
  test: {
    include: [
      ...['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts', 'web/src/**/*.test.ts'],
      ...(figures === undefined ? [] : ['test/web/figures.ts']),
    ],
    globalSetup: ['test/support/ceph-setup.ts'],
    isolate: false,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Far away: it says that something never comes, not how fast it has to come.
    expect: { poll: { timeout: 50_000 } },
    // Who works here sees a flaky test fail; there it is named, and the others count.
    retry: CI === undefined ? 0 : 1,
    reporters: [
      'default',
      new FlakyReporter(),
      new AnswersReporter({ isStrict: CI !== undefined }),
      ...(report === undefined ? [] : ([['json', { outputFile: report }]] as [['json', { outputFile: string }]])),
    ],
  },
})
