import { beforeEach, describe, expect, inject, test } from 'vitest'
import { createServices } from '../../src/engine/services.ts'
import { batches, plans } from '../../src/db/schema.ts'
import { createApp } from '../../src/http/app.ts'
import { registry } from '../../src/workflows/registry.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addUser } from '../workflows/records.ts'
import { startedBatch } from './batches.ts'
import { expectError, unauthorized } from './error-shape.ts'
import { adminRoutes, pathFor } from './routes.ts'

beforeEach(resetEverything)

const token = inject('bindings').ADMIN_TOKEN ?? ''
const wrong: [why: string, header: string | undefined][] = [
  ['no token', undefined],
  ['an empty header', ''],
  ['the scheme alone', 'Bearer'],
  ['an empty token', 'Bearer '],
  ['another token', `Bearer ${'x'.repeat(token.length)}`],
  ['a prefix of the token', `Bearer ${token.slice(0, -1)}`],
  ['a longer token', `Bearer ${token}x`],
  ['the token in upper case', `Bearer ${token.toUpperCase()}`],
  ['the token twice', `Bearer ${token} ${token}`],
  ['the token without a scheme', token],
  ['another scheme', `Basic ${btoa(`admin:${token}`)}`],
  ['a scheme that begins alike', `Bearers ${token}`],
]

describe('the admin API', () => {
  test('is these routes', () => {
    const mounted = createApp(registry, createServices)
      .routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/admin'))
      .map(({ method, path }) => `${method} ${path}`)
    expect(mounted.toSorted()).toEqual(adminRoutes.map(({ method, path }) => `${method} ${path}`).toSorted())
  })

  describe.each(adminRoutes)('at $method $path', (route) => {
    test.for(wrong)('refuses %s, with no effect', async ([, authorization]) => {
      const app = rounds()
      const { db } = app.services
      const { id } = await startedBatch(app)
      await addUser(db, 'late')
      const before = await db.select().from(batches)

      // The other workflow has no batch yet.
      const path = pathFor(route, { name: 'agent-welcome', id })
      const response = await app.worker(
        new Request(`https://rounds.test${path}`, {
          method: route.method,
          headers: authorization === undefined ? {} : { authorization },
        }),
      )
      expectError({ status: response.status, body: await response.json() }, unauthorized)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(await db.select().from(batches)).toEqual(before)
      expect(await db.select().from(plans)).toHaveLength(1)
    })

    test.for([`Bearer ${token}`, `bearer ${token}`, `Bearer   ${token}`])('lets in "%s"', async (header) => {
      const app = rounds()
      const { id } = await startedBatch(app)
      const path = pathFor(route, { name: 'agent-welcome', id })
      const answer = await app.call(route.method, path, undefined, { authorization: header })
      expect([200, 201]).toContain(answer.status)
    })
  })

  test('asks for the token before it says what exists', async () => {
    const answer = await rounds().call('GET', '/api/admin/no-such-thing', undefined, { authorization: '' })
    expectError(answer, unauthorized)
  })
})
