import { headerLists, type HeaderLists } from './headers.ts'
import type { Message, Outcome } from './message.ts'
import { sourceHeaders } from './send.ts'

/** The response headers with their names as Go prints them. */
export function responseHeaders(outcome: Outcome): HeaderLists {
  const lists = Object.entries(outcome.headers).flatMap(([name, values]) =>
    Object.keys(headerLists({ [name]: '' })).map((shown) => [shown, values] as const),
  )
  return Object.fromEntries(lists)
}

/** What callbacks are told about the outcome of a message. */
export function report(message: Message, outcome: Outcome, callerIp: string) {
  return {
    status: outcome.status,
    header: responseHeaders(outcome),
    body: outcome.body.toString('base64'),
    retried: message.retried,
    // There will be no further attempt. The SDK waits for one as long as the two differ.
    maxRetries: outcome.status >= 200 && outcome.status < 300 ? message.retries : message.retried,
    sourceMessageId: message.id,
    url: message.url,
    method: message.method,
    sourceHeader: sourceHeaders(message),
    sourceBody: Buffer.from(message.body).toString('base64'),
    notBefore: message.notBefore,
    createdAt: message.createdAt,
    callerIP: callerIp,
  }
}
