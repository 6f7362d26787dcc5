// What a benchmark gives: a figure beside its floor, which is measured in the same process, interleaved with it.

export type Figure = {
  readonly name: string
  readonly unit: string
  /** Median of the samples. */
  readonly value: number
  readonly p95: number
  /** The same of the floor: what the machine does at best for the bare work. */
  readonly floor: number
  /** `value / floor`. */
  readonly ratio: number
  /** What is to hold, like `value <= 5`. */
  readonly bar: string
  readonly met: boolean
}

/** Samples of a benchmark and of its floor. */
export type Measured = { readonly samples: readonly number[]; readonly floor: readonly number[] }

export type Samples = { readonly median: number; readonly p95: number }

/** Of at least one sample. */
export function summarize(samples: readonly number[]): Samples {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return { median: at(0.5), p95: at(0.95) }
}

/** Of a figure: its value (in its unit) or its ratio to the floor is to be at most, or at least, so much. */
export type Bar = { readonly of: 'value' | 'ratio' } & ({ readonly most: number } | { readonly least: number })

/** For rates, of which more is better, p95 is what 95 % of the samples reach. */
export function figure({ name, unit, samples, floor }: Pick<Figure, 'name' | 'unit'> & Measured, bar: Bar): Figure {
  const isRate = 'least' in bar
  const { median, p95 } = isRate ? negated(summarize(samples.map((sample) => -sample))) : summarize(samples)
  const floorMedian = summarize(floor).median
  const numbers = { value: median, ratio: median / floorMedian }
  return {
    name,
    unit,
    ...numbers,
    p95,
    floor: floorMedian,
    bar: isRate ? `${bar.of} >= ${bar.least}` : `${bar.of} <= ${bar.most}`,
    met: isRate ? numbers[bar.of] >= bar.least : numbers[bar.of] <= bar.most,
  }
}

function negated({ median, p95 }: Samples): Samples {
  return { median: -median, p95: -p95 }
}
