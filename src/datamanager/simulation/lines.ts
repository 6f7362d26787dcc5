// Rows that a killed process leaves behind.

export type Lines = { line: { readonly caller: number; readonly number: number; readonly text: string } }

export const linesTypes = {
  line: { indexes: { byCaller: (line: Lines['line']) => [line.caller, line.number] } },
}
