import { z } from 'zod'
import type { Env } from '../env.ts'
import type { Mail } from '../workflows/contract.ts'
import { ask, errorOf, isRefused, keysOf, type Refusal, type ServiceScope } from './http.ts'

const sent = z.object({ id: z.string() })
const problem = z.object({ name: z.string() })

export type CreateMail = (scope: ServiceScope) => Mail

/** Mail through Resend's HTTP API, https://resend.com/docs/api-reference/emails/send-email. Null: it is not configured. */
export function createMail({ MAIL_URL, MAIL_API_KEY, MAIL_FROM }: Env): CreateMail | null {
  if (MAIL_API_KEY === undefined || MAIL_FROM === undefined) return null
  return (scope) => {
    const nextKey = keysOf(scope)
    return {
      async send({ to, subject, text }) {
        const answer = await ask(sent, 'the mail service', `${MAIL_URL}/emails`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${MAIL_API_KEY}`,
            'content-type': 'application/json',
            'idempotency-key': nextKey(),
          },
          body: JSON.stringify({ from: MAIL_FROM, to: [to], subject, text }),
          signal: scope.signal,
        })
        if (isRefused(answer)) throw refusal(answer.refused)
        return answer
      },
    }
  }
}

/** Statuses and names of errors that may be gone the next time, though they say that the request is wrong. */
const passing = new Set(['concurrent_idempotent_requests'])

function refusal(refused: Refusal): Error {
  const { status } = refused
  const name = problem.safeParse(refused.body).data?.name ?? 'no reason given'
  const permanent =
    status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status) && !passing.has(name)
  return errorOf(refused, `the mail service answered ${status}: ${name}`, {
    name: `Mail${status}`,
    permanent,
  })
}
