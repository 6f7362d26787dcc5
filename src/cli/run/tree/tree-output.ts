// The live view of a terminal: the tree is drawn over and over at the bottom, notices scroll up above it. At the end the
// tree stays as it is then, followed by what failed.

import { setTimeout as startTimer } from 'node:timers'
import { setTimeout } from 'node:timers/promises'
import type { Clock } from '../../../lib/clock.ts'
import { cellWidth } from '../cell-width.ts'
import type { Paint } from '../paint.ts'
import type { RunEvent, RunEventSink, StepReference } from '../run-event.ts'
import { applyEvent, applyPartialLine, emptyRunsState } from '../run-state.ts'
import { type RepeatCommands, summaryLines } from '../summary.ts'
import type { Symbols } from '../symbols.ts'
import { Screen, type Terminal } from './screen.ts'
import { finalTreeLines, treeLines } from './tree-lines.ts'

/** At most 15 frames a second. */
const frameMs = 67
/** Durations show tenths of a second. */
const tickMs = 100

export type TreeOutputOptions = {
  readonly out: Terminal
  /** False for a file or pipe: only the tree at the end is told. */
  readonly isLive: boolean
  readonly paint: Paint
  readonly symbols: Symbols
  readonly clock: Clock
  readonly repeat: RepeatCommands
}

export class TreeOutput implements RunEventSink {
  readonly #options: TreeOutputOptions
  readonly #screen: Screen
  readonly #state = emptyRunsState()
  readonly #redraw = () => this.#schedule(0)
  #timer: NodeJS.Timeout | undefined
  #drawnAt = 0
  #isAsking = false
  #isFinished = false
  /** Notices that came while a question was asked. */
  #heldNotices: string[] = []

  constructor(options: TreeOutputOptions) {
    this.#options = options
    this.#screen = new Screen(options.out)
    options.out.on('resize', this.#redraw)
  }

  write(event: RunEvent): void {
    if (event.type === 'notice') this.#notice(event.message)
    else applyEvent(this.#state, event)
    this.#scheduleFrame()
  }

  showPartialLine(where: StepReference, text: string): void {
    applyPartialLine(this.#state, where, text)
    this.#scheduleFrame()
  }

  async ask(question: string, read: () => Promise<string | undefined>): Promise<string | undefined> {
    // What led to the question is still being told: it should be in the tree above it.
    await setTimeout(frameMs)
    this.#draw()
    this.#isAsking = true
    this.#screen.release()
    this.#options.out.write(question)
    try {
      const answer = await read()
      if (answer === undefined) this.#options.out.write('\n')
      this.#screen.coverBelow(Math.ceil((cellWidth(question + (answer ?? '')) + 1) / this.#screen.columns))
      return answer
    } finally {
      this.#isAsking = false
      for (const message of this.#heldNotices.splice(0)) this.#notice(message)
      this.#schedule(0)
    }
  }

  finish(): void {
    if (this.#isFinished) return
    this.#stop()
    const { out, repeat } = this.#options
    const options = this.#treeOptions()
    const lines = finalTreeLines(this.#state, options)
    if (this.#options.isLive) {
      // Cleared first: the tree of the end may be longer than the screen.
      this.#screen.draw([])
      this.#screen.release()
    }
    const summary = summaryLines(this.#state, { ...options, repeat, showsLogs: true })
    if (lines.length > 0 || summary.length > 0) out.write(`${[...lines, ...summary].join('\n')}\n`)
  }

  /** Lets go of the terminal for the shell; `resume` draws a new tree below what the shell printed. */
  suspend(): void {
    this.#screen.release()
  }

  resume(): void {
    this.#screen.forget()
    this.#schedule(0)
  }

  /** Leaves the terminal usable when the process ends before `finish`; what is drawn stays. */
  abandon(): void {
    if (this.#isFinished) return
    this.#stop()
    this.#screen.release()
  }

  #stop(): void {
    this.#isFinished = true
    clearTimeout(this.#timer)
    this.#options.out.off('resize', this.#redraw)
  }

  #notice(message: string): void {
    const { paint, out, isLive } = this.#options
    if (this.#isAsking) {
      this.#heldNotices.push(message)
      return
    }
    const lines = message.split('\n').map((line) => paint.dim(line))
    if (isLive) this.#screen.writeAbove(lines)
    else out.write(`${lines.join('\n')}\n`)
  }

  #scheduleFrame(): void {
    this.#schedule(Math.max(0, frameMs - (this.#options.clock.now() - this.#drawnAt)))
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#isFinished || this.#isAsking || !this.#options.isLive) return
    this.#timer = startTimer(() => {
      this.#timer = undefined
      this.#draw()
      if (this.#hasRunning()) this.#schedule(tickMs)
    }, delayMs)
    // What is drawn never keeps the process alive.
    this.#timer.unref()
  }

  #draw(): void {
    const { out, isLive } = this.#options
    this.#drawnAt = this.#options.clock.now()
    // A slow terminal gets fewer frames instead of a queue of them.
    if (!isLive || this.#isAsking || this.#isFinished || out.writableNeedDrain) return
    const options = this.#treeOptions()
    this.#screen.draw(treeLines(this.#state, { ...options, rows: options.rows - 1 }))
  }

  #hasRunning(): boolean {
    return this.#state.runs.values().some((run) => run.phase === 'running')
  }

  #treeOptions() {
    const { paint, symbols, clock } = this.#options
    return { now: clock.now(), columns: this.#screen.columns, rows: this.#screen.rows, paint, symbols }
  }
}
