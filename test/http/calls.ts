import { z } from 'zod'
import type { rounds } from '../support/rounds.ts'
import type { Operation } from './document.ts'

type Rounds = ReturnType<typeof rounds>

/** What a request says besides its method and path. */
export type Call = {
  params?: Record<string, string>
  query?: string
  headers?: Record<string, string>
  body?: unknown
}

/** A call with the status that it is answered with. */
export type Example = { status: number; call: Call | ((app: Rounds) => Promise<Call>) }

/** The request of a call, with ADMIN_TOKEN unless the headers say otherwise. */
export async function send(
  app: Rounds,
  operation: Operation,
  call: Call,
  headers: Record<string, string> = {},
) {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = call.params?.[name]
    if (value === undefined) throw new Error(`the call of ${operation.operationId} names no ${name}`)
    return encodeURIComponent(value)
  })
  const response = await app.worker(
    new Request(`https://rounds.test${path}${call.query ?? ''}`, {
      method: operation.method,
      headers: {
        ...(operation.isAdmin ? { authorization: `Bearer ${app.services.env.ADMIN_TOKEN}` } : {}),
        ...call.headers,
        ...headers,
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
    }),
  )
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
  return { response, status: response.status, body: isJson ? z.json().parse(JSON.parse(text)) : text }
}

/** Makes what an example needs. */
export const prepared = async (app: Rounds, { call }: Example): Promise<Call> =>
  typeof call === 'function' ? await call(app) : call
