// What a run is compared with, and what it was made of.

import { Type } from 'typebox'
import { object } from './common.ts'
import { RunSummary } from './runs.ts'

export const RelatedRuns = object(
  {
    attempts: Type.Array(RunSummary, {
      description: 'This run, the runs it repeats and those that repeat it, in the order they were made.',
    }),
    lastSuccess: Type.Optional(RunSummary),
  },
  'RelatedRuns',
)

/** Values that are secret are `{"secret": true}`. */
export const ExpandedConfig = object(
  {
    name: Type.String(),
    tasks: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  },
  'ExpandedConfig',
)

export const DefinitionText = object({ path: Type.String(), text: Type.String() }, 'DefinitionText')
