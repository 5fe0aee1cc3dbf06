import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { tokens } from '../../src/db/schema.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { bearer } from './bearer.ts'
import {
  conflict,
  expectError,
  forbidden,
  invalidRequest,
  notFound,
  unauthorized,
  unavailable,
} from './error-shape.ts'
import { stateOf } from './state.ts'

beforeEach(resetEverything)

const path = '/api/admin/tokens'
type Rounds = ReturnType<typeof rounds>

const create = (app: Rounds, body: unknown, headers: Record<string, string> = {}) =>
  app.call('POST', path, body, headers)
const revoke = (app: Rounds, name: string, headers: Record<string, string> = {}) =>
  app.worker(
    new Request(`https://rounds.test${path}/${name}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${app.services.env.ADMIN_TOKEN}`, ...headers },
    }),
  )
const named = async (app: Rounds) =>
  z
    .object({ data: z.array(z.object({ name: z.string() })) })
    .parse((await app.call('GET', path)).body)
    .data.map(({ name }) => name)

describe('a named token', () => {
  test('is shown once, and then nowhere: only its hash is kept', async () => {
    const app = rounds()
    const { status, body } = await create(app, { name: 'ada@example.com', role: 'operator' })
    expect(status).toBe(201)
    const { token, ...rest } = z
      .object({ token: z.string(), createdAt: z.iso.datetime() })
      .loose()
      .parse(body)
    expect(token).toMatch(/^rounds_[0-9a-f]{64}$/)
    expect(rest).toMatchObject({ name: 'ada@example.com', role: 'operator' })

    const listed = await app.call('GET', path)
    expect(listed.body).toEqual({ data: [rest] })
    const changes = await app.call('GET', '/api/admin/changes')
    const rows = JSON.stringify([await app.services.db.select().from(tokens), await stateOf(app.services.db)])
    for (const text of [JSON.stringify([listed.body, changes.body]), rows]) {
      expect(text).toContain('ada@example.com')
      expect(text).not.toContain(token)
      expect(text).not.toContain(token.slice('rounds_'.length))
    }
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
    const [row] = await app.services.db.select().from(tokens)
    expect(row?.hash).toBe(
      Array.from(new Uint8Array(digest), (n) => n.toString(16).padStart(2, '0')).join(''),
    )
  })

  test('is another one each time, also under a name that was free again', async () => {
    const app = rounds()
    const first = await bearer(app, 'ada', 'operator')
    await revoke(app, 'ada')
    const second = await bearer(app, 'ada', 'viewer')
    expect(second).not.toEqual(first)
    expectError(await app.call('GET', '/api/admin/batches', undefined, first), unauthorized)
    expect((await app.call('GET', '/api/admin/batches', undefined, second)).status).toBe(200)
  })

  test('lets nobody in who shows its hash, its name, or a part of it', async () => {
    const app = rounds()
    const { authorization } = await bearer(app, 'ada', 'operator')
    const [row] = await app.services.db.select().from(tokens)
    const wrong = [
      `Bearer ${row?.hash}`,
      'Bearer ada',
      authorization.slice(0, -1),
      `${authorization}0`,
      authorization.toUpperCase(),
      authorization.replace('rounds_', ''),
      `${authorization}%00`,
      'Bearer ä',
    ]
    for (const header of wrong) {
      expectError(
        await app.call('GET', '/api/admin/batches', undefined, { authorization: header }),
        unauthorized,
      )
    }
  })

  test('works at another deployment of the same database, not with another database', async () => {
    const app = rounds()
    const header = await bearer(app, 'ada', 'viewer')
    expect((await rounds().call('GET', '/api/admin/batches', undefined, header)).status).toBe(200)
    await resetEverything()
    expectError(await rounds().call('GET', '/api/admin/batches', undefined, header), unauthorized)
  })
})

describe('revoking a token', () => {
  test('shuts it out at once, and no other', async () => {
    const app = rounds()
    const [ada, bob] = [await bearer(app, 'ada', 'operator'), await bearer(app, 'bob', 'operator')]
    expect((await app.call('GET', '/api/admin/batches', undefined, ada)).status).toBe(200)
    const answer = await revoke(app, 'ada')
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    expectError(await app.call('GET', '/api/admin/batches', undefined, ada), unauthorized)
    expectError(await app.call('POST', '/api/admin/workflows/agent-welcome/batches', {}, ada), unauthorized)
    expect((await app.call('GET', '/api/admin/batches', undefined, bob)).status).toBe(200)
    expect(await named(app)).toEqual(['bob'])
  })

  test('is a 404 for a token that is not there, so also the second time', async () => {
    const app = rounds()
    await bearer(app, 'ada', 'viewer')
    expect((await revoke(app, 'ada')).status).toBe(204)
    for (const name of ['ada', 'nobody', 'ADMIN_TOKEN', 'toString', '%F0%9F%A6%8A']) {
      const answer = await revoke(app, name)
      expectError({ status: answer.status, body: await answer.json() }, notFound)
    }
  })
})

describe('the name of a token', () => {
  test('can be taken once, also by many at the same time', async () => {
    const app = rounds()
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => await create(app, { name: 'ada', role: 'viewer' })),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409, 409])
    expectError(await create(app, { name: 'ada', role: 'operator' }), conflict)
    expect(await app.services.db.select().from(tokens)).toMatchObject([{ name: 'ada', role: 'viewer' }])
  })

  test.for(['ADMIN_TOKEN', 'rounds', 'Rounds', 'admin_token'])(
    'is not %s, which the log uses',
    async (name) => {
      const app = rounds()
      const { details } = expectError(await create(app, { name, role: 'viewer' }), invalidRequest)
      expect(details).toEqual([{ path: 'name', message: 'is taken' }])
      expect(await named(app)).toEqual([])
    },
  )

  test.for(['', ' ', 'a b', '.hidden', '-x', 'a/b', 'ä', 'a\0b', 'a'.repeat(65), 7, null, ['ada']])(
    'is not %j',
    async (name) => {
      const app = rounds()
      expectError(await create(app, { name, role: 'viewer' }), invalidRequest)
      expect(await named(app)).toEqual([])
    },
  )

  test.for(['a', 'A.b_c-d@e', '0', 'a'.repeat(64)])('may be %j', async (name) => {
    const app = rounds()
    expect((await create(app, { name, role: 'viewer' })).status).toBe(201)
    expect(await named(app)).toEqual([name])
    expect((await revoke(app, name)).status).toBe(204)
  })
})

test.for([
  { name: 'ada' },
  { name: 'ada', role: 'admin' },
  { name: 'ada', role: 'viewer', token: 'x' },
  {},
  [],
])('a token is not made of %j', async (body) => {
  const app = rounds()
  expectError(await create(app, body), invalidRequest)
  expect(await named(app)).toEqual([])
})

test('the names are listed in their order', async () => {
  const app = rounds()
  for (const name of ['cleo', 'ada', 'bob']) await bearer(app, name, 'viewer')
  expect(await named(app)).toEqual(['ada', 'bob', 'cleo'])
})

describe('while the database is down', () => {
  test('a named token lets nobody in, and nobody is told that it is wrong', async () => {
    const app = rounds()
    const header = await bearer(app, 'ada', 'operator')
    await local('neon', 'faults', { down: true })
    const answers = [
      await app.call('GET', '/api/admin/workflows', undefined, header),
      await app.call('POST', '/api/admin/workflows/agent-welcome/batches', { limit: 'all' }, header),
      await app.call('GET', '/api/admin/batches', undefined, { authorization: 'Bearer wrong' }),
      await app.call('GET', '/api/admin/no-such-thing', undefined, header),
    ]
    for (const answer of answers) expectError(answer, unavailable)
  })

  test('ADMIN_TOKEN is known all the same: it is told what is wrong, and nobody else is', async () => {
    const app = rounds()
    await local('neon', 'faults', { down: true })
    const body = { limit: 'all' }
    expectError(await app.call('POST', '/api/admin/workflows/agent-welcome/batches', body), invalidRequest)
    expectError(await app.call('GET', '/api/admin/no-such-thing'), notFound)
    expectError(await app.call('GET', '/api/admin/batches'), unavailable)
    expectError(await app.call('GET', '/api/admin/batches', undefined, { authorization: '' }), unauthorized)
  })
})

test('an operator may see who has a token, and may neither make nor revoke one', async () => {
  const app = rounds()
  const operator = await bearer(app, 'ada', 'operator')
  const before = await stateOf(app.services.db)
  expect((await app.call('GET', path, undefined, operator)).status).toBe(200)
  expectError(await create(app, { name: 'eve', role: 'viewer' }, operator), forbidden)
  // Not even a request that would be refused anyway says more.
  expectError(await create(app, { role: 'nonsense' }, operator), forbidden)
  for (const name of ['ada', 'nobody']) {
    const answer = await revoke(app, name, operator)
    expectError({ status: answer.status, body: await answer.json() }, forbidden)
  }
  expect(await stateOf(app.services.db)).toEqual(before)
})
