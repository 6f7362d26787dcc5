// Messages for addresses that take what Slack's incoming webhooks take: Slack, Mattermost, Rocket.Chat and others.

import type { SendResult } from '../notifications.ts'
import type { Message } from '../run-message.ts'
import { changeWords } from './change-words.ts'
import { type HttpPostOptions, postOnce } from './http-post.ts'

export type SlackPost = { readonly url: string; readonly body: string; readonly version: string }

export async function sendSlack({ url, body, version }: SlackPost, options: HttpPostOptions): Promise<SendResult> {
  const text = slackText(JSON.parse(body) as Message)
  const headers = { 'content-type': 'application/json', 'user-agent': `Slipway/${version}` }
  return await postOnce({ url, headers, body: JSON.stringify({ text }) }, options)
}

/** Slack's markup: `<url|text>`; only three characters have to be escaped. Pure. */
export function slackText(message: Message): string {
  const { title, lines, url } = changeWords(message)
  const sign = { broken: ':red_circle: ', still_broken: ':red_circle: ', fixed: ':large_green_circle: ' }
  const first = `${message.change === null ? '' : sign[message.change]}*<${escapeMarkup(url)}|${escapeMarkup(title)}>*`
  return [first, ...lines.map(escapeMarkup)].join('\n')
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
