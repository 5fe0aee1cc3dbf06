import { expect } from 'vitest'
import { z } from 'zod'

const errorSchema = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string().min(1),
    details: z.unknown().optional(),
  }),
})

type Answer = { status: number; body: unknown }

/** Checks that an answer is an error of this status and code, in the one shape, and returns the error. */
export function expectError({ status, body }: Answer, expected: { status: number; code: string }) {
  const parsed = errorSchema.safeParse(body)
  expect(parsed.success, `not the error shape: ${JSON.stringify(body)}`).toBe(true)
  expect({ status, code: parsed.data?.error.code }).toEqual(expected)
  return errorSchema.parse(body).error
}

export const invalidRequest = { status: 400, code: 'invalid_request' }
export const unauthorized = { status: 401, code: 'unauthorized' }
export const forbidden = { status: 403, code: 'forbidden' }
export const notFound = { status: 404, code: 'not_found' }
export const conflict = { status: 409, code: 'conflict' }
export const unavailable = { status: 503, code: 'unavailable' }
