import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { Screen } from './screen.ts'

class FakeTerminal extends Writable {
  columns = 20
  rows = 10
  written = ''

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.written += chunk.toString()
    done()
  }

  /** What was written since the last call, with escapes readable. */
  take(): string {
    const { written } = this
    this.written = ''
    return written.replaceAll('\u001b', 'ESC')
  }
}

test('only lines that changed are written again, as one synchronized update', () => {
  const terminal = new FakeTerminal()
  const screen = new Screen(terminal)
  screen.draw(['one', 'two'])
  expect(terminal.take()).toBe('ESC[?2026hESC[?25l\rone' + 'ESC[K\ntwoESC[K\nESC[JESC[?2026l')
  screen.draw(['one', 'three'])
  expect(terminal.take()).toBe('ESC[?2026h\rESC[2A\nthreeESC[K\nESC[JESC[?2026l')
})

test('the same lines write nothing', () => {
  const terminal = new FakeTerminal()
  const screen = new Screen(terminal)
  screen.draw(['one'])
  terminal.take()
  screen.draw(['one'])
  expect(terminal.take()).toBe('')
})

test('after the terminal became narrower, wrapped lines are covered as well', () => {
  const terminal = new FakeTerminal()
  const screen = new Screen(terminal)
  screen.draw(['a'.repeat(18), 'b'])
  terminal.take()
  terminal.columns = 10
  screen.draw(['short'])
  expect(terminal.take()).toContain('\rESC[3Ashort')
})

test('lines that stay are written above', () => {
  const terminal = new FakeTerminal()
  const screen = new Screen(terminal)
  screen.draw(['tree'])
  terminal.take()
  screen.writeAbove(['notice'])
  expect(terminal.take()).toBe('ESC[?2026h\rESC[1AnoticeESC[K\ntreeESC[K\nESC[JESC[?2026l')
  screen.draw(['leaf'])
  expect(terminal.take()).toContain('ESC[1Aleaf')
})

test('the cursor is shown when the terminal is let go of, and hidden by the next drawing', () => {
  const terminal = new FakeTerminal()
  const screen = new Screen(terminal)
  screen.draw(['one'])
  terminal.take()
  screen.release()
  screen.release()
  expect(terminal.take()).toBe('ESC[?25h')
  screen.draw(['two'])
  expect(terminal.take()).toContain('ESC[?25l')
})

test('a question below the tree is drawn over afterwards', () => {
  const terminal = new FakeTerminal()
  const screen = new Screen(terminal)
  screen.draw(['one', 'two'])
  screen.coverBelow(2)
  terminal.take()
  screen.draw(['one', 'two'])
  expect(terminal.take()).toBe('ESC[?2026h\rESC[4A\n\nESC[JESC[?2026l')
})
