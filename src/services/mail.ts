import { z } from 'zod'
import type { Env } from '../env.ts'
import type { Mail } from '../workflows/ports.ts'
import { ask, notUnderstood, refusal, type Answer } from './ask.ts'
import { idempotencyKeys, type Scope } from './idempotency-keys.ts'

/** Makes the mail of one step. */
export type CreateMail = (scope: Scope) => Mail

const service = { message: 'the mail service', error: 'Mail' }

const sentSchema = z.object({ id: z.string().min(1) })
const errorSchema = z.object({ name: z.string() })

/** Mail over Resend's API, or null when MAIL_API_KEY or MAIL_FROM is not set. */
export function createMail(env: Env): CreateMail | null {
  const { MAIL_URL: url, MAIL_API_KEY: apiKey, MAIL_FROM: from } = env
  if (apiKey === undefined || from === undefined) return null
  return ({ key, signal }) => {
    const nextKey = idempotencyKeys(key)
    return {
      async send({ to, subject, text }) {
        const answer = await ask(service, {
          url: `${url}/emails`,
          method: 'POST',
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            'idempotency-key': nextKey(),
            // Resend refuses requests that name no client.
            'user-agent': 'rounds',
          },
          body: JSON.stringify({ from, to: [to], subject, text }),
          signal,
        })
        if (!answer.ok) throw refused(answer)
        const sent = sentSchema.safeParse(answer.body)
        if (!sent.success) throw notUnderstood(service)
        return { id: sent.data.id }
      },
    }
  }
}

function refused(answer: Answer): Error {
  const name = errorSchema.safeParse(answer.body).data?.name
  // The other conflicts are with a request that is still under way.
  const otherMail = answer.status === 409 && name === 'invalid_idempotent_request'
  return otherMail ? refusal(service, answer, [name], true) : refusal(service, answer, [name])
}
