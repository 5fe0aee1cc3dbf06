import { beforeEach, describe, expect, test } from 'vitest'
import { batches, plans } from '../../src/db/schema.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'
import { addUser } from '../workflows/records.ts'
import { expectError, invalidRequest, notFound } from './error-shape.ts'

beforeEach(resetEverything)

const start = '/api/admin/workflows/welcome-placeholder/batches'
const nothing = '01a00000-0000-7000-8000-000000000000'

describe('a start that does not fit', () => {
  test.for([
    ['not JSON', '{"limit": 5', ''],
    ['JSON that is no object', '[]', ''],
    ['null', 'null', ''],
    ['a text for a flag', { dryRun: 'true' }, 'dryRun'],
    ['a number for a flag', { force: 1 }, 'force'],
    ['a text for a limit', { limit: '5' }, 'limit'],
    ['a limit of nothing', { limit: 0 }, 'limit'],
    ['a negative limit', { limit: -1 }, 'limit'],
    ['half an item', { limit: 1.5 }, 'limit'],
    ['a limit beyond every population', { limit: 2 ** 31 }, 'limit'],
    ['params that are a list', { params: [] }, 'params'],
    ['a param of the wrong type', { params: { paidOnly: 'yes' } }, 'params.paidOnly'],
    ['params that are nested without end', `{"params": ${'['.repeat(5000)}${']'.repeat(5000)}}`, ''],
    ['a field that does not exist', { dryrun: true }, ''],
    ['a field that no schema sees', '{"__proto__": {"limit": 1}}', ''],
    ['a param that no schema sees', '{"params": {"__proto__": {"paidOnly": true}}}', ''],
    ['a param that does not exist', { params: { paidonly: true } }, ''],
  ] as const)('is refused for %s, and starts nothing', async ([, body, path]) => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const error = expectError(await app.call('POST', start, body), invalidRequest)
    if (path !== '') expect(error.details).toEqual([{ path, message: expect.any(String) }])
    expect(await app.services.db.select().from(batches)).toEqual([])
    expect(await app.services.db.select().from(plans)).toEqual([])
    expect(await app.deliver()).toEqual([])
  })

  test('says what was not understood', async () => {
    const error = expectError(await rounds().call('POST', start, { dryrun: true, limit: 0 }), invalidRequest)
    expect(error.details).toEqual([
      { path: 'limit', message: expect.stringContaining('>=1') },
      { path: '', message: expect.stringContaining('dryrun') },
    ])
  })

  test('is refused for an idempotency key that is too long', async () => {
    const answer = await rounds().call('POST', start, {}, { 'idempotency-key': 'k'.repeat(201) })
    expectError(answer, invalidRequest)
    expect(await rounds().services.db.select().from(batches)).toEqual([])
  })

  test('is taken without a body, and with a blank one', async () => {
    const app = rounds()
    expect((await app.call('POST', start)).status).toBe(201)
    await app.deliver()
    expect((await app.call('POST', start, '  \n')).status).toBe(201)
  })
})

describe('a body that is too large', () => {
  const large = JSON.stringify({ params: { note: 'x'.repeat(64 * 1024) } })
  const tooLarge = { status: 413, code: 'too_large' }

  test('is refused, whether or not it announces its length', async () => {
    const announced = { 'content-length': String(large.length) }
    expectError(await rounds().call('POST', start, large), tooLarge)
    expectError(await rounds().call('POST', start, large, announced), tooLarge)
    expect(await rounds().services.db.select().from(batches)).toEqual([])
  })

  test('is refused on every route that takes one', async () => {
    for (const action of ['pause', 'resume', 'cancel']) {
      const answer = await rounds().call('POST', `/api/admin/batches/${nothing}/${action}`, large)
      expectError(answer, tooLarge)
    }
  })
})

describe('a query that does not fit', () => {
  test.for([
    ['/api/admin/batches?limit=0', 'limit'],
    ['/api/admin/batches?limit=201', 'limit'],
    ['/api/admin/batches?limit=ten', 'limit'],
    ['/api/admin/batches?limit=', 'limit'],
    ['/api/admin/batches?limit=1.5', 'limit'],
    ['/api/admin/batches?status=done', 'status'],
    ['/api/admin/batches?cursor=7', 'cursor'],
    ['/api/admin/batches?workflows=agent-welcome', ''],
    ['/api/admin/plans?limit=-1', 'limit'],
    ['/api/admin/plans?cursor=last', 'cursor'],
    ['/api/admin/plans?status=completed', ''],
    [`/api/admin/batches/${nothing}/items?status=starting`, 'status'],
    [`/api/admin/batches/${nothing}/items?limit=1000`, 'limit'],
    [`/api/admin/batches/${nothing}/items?page=2`, ''],
  ] as const)('is refused: %s', async ([path, field]) => {
    const error = expectError(await rounds().call('GET', path), invalidRequest)
    expect(error.details).toEqual([{ path: field, message: expect.any(String) }])
  })

  test.for(['7', 'latest', `${nothing}0`, `%7B${nothing}%7D`, '%00'])(
    'is refused for a batch id that is none: %s',
    async (id) => {
      const app = rounds()
      expectError(await app.call('GET', `/api/admin/batches/${id}`), invalidRequest)
      expectError(await app.call('GET', `/api/admin/batches/${id}/items`), invalidRequest)
      for (const action of ['pause', 'resume', 'cancel']) {
        expectError(await app.call('POST', `/api/admin/batches/${id}/${action}`), invalidRequest)
      }
    },
  )
})

// Postgres cannot hold a NUL, so nothing that has one exists; asking for it is not an outage.
describe('text that the database cannot hold', () => {
  test('names nobody', async () => {
    expectError(await rounds().call('GET', '/api/users/%00/welcome-placeholders'), notFound)
    expectError(await rounds().call('GET', '/api/agents/a%00b/welcome'), notFound)
  })

  test.for(['/api/admin/batches?workflow=%00', '/api/admin/plans?workflow=a%00'])(
    'is no filter: %s',
    async (path) => {
      expectError(await rounds().call('GET', path), invalidRequest)
    },
  )

  test('is no param', async () => {
    const app = rounds([toyWorkflow(async () => ({ text: 'done' }))])
    for (const tag of ['a\0b', 'a\ud800b']) {
      const answer = await app.call('POST', '/api/admin/workflows/toy/batches', { params: { tag } })
      expectError(answer, invalidRequest)
    }
  })
})
