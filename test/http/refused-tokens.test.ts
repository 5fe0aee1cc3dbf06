import { SELF } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { lane } from '../support/lane.ts'
import { expectError } from './error-shape.ts'

const ask = async (address: string, token: string) => {
  const response = await SELF.fetch('https://rounds.test/api/admin/workflows', {
    headers: { 'cf-connecting-ip': address, authorization: `Bearer ${token}` },
  })
  return { status: response.status, body: await response.json(), wait: response.headers.get('retry-after') }
}

test('whoever guesses tokens has to wait, and nobody else', async () => {
  const guesses: Awaited<ReturnType<typeof ask>>[] = []
  for (let guess = 0; guess < 61; guess += 1) guesses.push(await ask('203.0.113.1', `guess-${guess}`))
  // As many again when the minute ends meanwhile.
  expect(guesses.findIndex(({ status }) => status !== 401)).toBeGreaterThanOrEqual(30)
  const [first, ...others] = guesses.filter(({ status }) => status !== 401)
  for (const answer of [first, ...others]) {
    expectError(answer ?? { status: 0, body: null }, { status: 429, code: 'too_many_requests' })
    expect(answer?.wait).toBe('60')
  }

  expect((await ask('203.0.113.1', lane.bindings.ADMIN_TOKEN ?? '')).status).toBe(200)
  expect((await ask('203.0.113.2', 'guess')).status).toBe(401)
})
