// Names the tests that failed and then passed: on a busy machine one of thousands does now and then, and each is a defect to be mended.

import type { Reporter, TestModule } from 'vitest/node'

export class FlakyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        if (test.diagnostic()?.flaky !== true) continue
        const [first] = test.result().errors ?? []
        console.log(`flaky: ${module.relativeModuleId} > ${test.fullName}: ${first?.message ?? 'no message'}`)
      }
    }
  }
}
