// Which lines of output a person who looks for what went wrong wants to see first.

const errorWords =
  /(?:^|[^\w/.-])(?:\w*(?:Error|Exception)|error|fatal|panic|traceback|failed|failure|not ok)(?:[\s:[(!]|$)/i
/** `0 failed`, `no errors`: good news. */
const goodNews = /\b(?:0|no)\s+(?:errors?|fail(?:ed|ures?)?)\b/i

/** Of the text of a line, without colours. */
export function looksLikeError(text: string): boolean {
  return errorWords.test(text) && !goodNews.test(text)
}
