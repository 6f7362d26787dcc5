// Spans as OpenTelemetry's protocol has them, in JSON over HTTP: https://opentelemetry.io/docs/specs/otlp/, "OTLP/HTTP".

import type { JsonObject } from '../../lib/json.ts'
import type { Span } from './run-spans.ts'

/** The body of one export. */
export function encodeSpans(spans: readonly Span[], { version }: { readonly version: string }): JsonObject {
  const resource = attributes({ 'service.name': 'slipway', 'service.version': version })
  return {
    resourceSpans: [
      {
        resource: { attributes: resource },
        scopeSpans: [{ scope: { name: 'slipway', version }, spans: spans.map(encodeSpan) }],
      },
    ],
  }
}

const internalKind = 1
const statusCodes = { unset: 0, ok: 1, error: 2 } as const

function encodeSpan(span: Span): JsonObject {
  const { traceId, spanId, parentSpanId, name, outcome, message } = span
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: internalKind,
    startTimeUnixNano: nanoseconds(span.startedAt),
    endTimeUnixNano: nanoseconds(span.endedAt),
    attributes: attributes(span.attributes),
    status: { code: statusCodes[outcome], ...(message === undefined ? {} : { message }) },
  }
}

/** 64-bit numbers are texts in the protocol's JSON. */
const nanoseconds = (ms: number) => `${Math.round(ms)}000000`

function attributes(values: Span['attributes']): readonly JsonObject[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }))
}
