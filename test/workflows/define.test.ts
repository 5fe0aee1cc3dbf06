import { expect, test } from 'vitest'
import { z } from 'zod'
import { users } from '../../src/db/schema.ts'
import { defineWorkflow } from '../../src/workflows/contract.ts'
import { inputVersion } from '../../src/workflows/input-version.ts'

type Definition = Extract<
  Parameters<typeof defineWorkflow<Record<string, never>, { text: string }>>[0],
  { run?: null }
>

const define = (options: Partial<Definition>) =>
  defineWorkflow({
    name: 'greeting',
    entity: { one: 'user', many: 'users' },
    params: z.object({}),
    data: z.object({ text: z.string() }),
    population: ({ db }) => db.select({ id: users.id, version: inputVersion(users.name) }).from(users),
    work: () => Promise.resolve({ text: '' }),
    ...options,
  })

test('a definition has the documented defaults', () => {
  expect(define({})).toMatchObject({
    verb: 'execute',
    schedule: null,
    freshFor: null,
    timeout: '60 seconds',
    pageSize: 50,
    chunkSize: 20,
    maxOutstanding: 1000,
    layers: {
      process: { retries: 3, flowControl: { parallelism: 1, rate: 1 } },
      paginate: { retries: 3, flowControl: { parallelism: 20, rate: 5 } },
      execute: { retries: 3, flowControl: { parallelism: 10, rate: 5 } },
    },
  })
})

test.each([
  ['a name that is no folder name', { name: 'Greeting Card' }, 'name'],
  ['an entity that cannot be in a route', { entity: { one: 'a b', many: 'abs' } }, 'entity'],
  ['a page of no rows', { pageSize: 0 }, 'pageSize'],
  ['a page that no request holds', { pageSize: 101 }, 'pageSize'],
  ['a chunk of no items', { chunkSize: 0 }, 'chunkSize'],
  ['room for nothing', { maxOutstanding: 0 }, 'maxOutstanding'],
])('a definition with %s is refused, and workflow and field are named', (_, options, field) => {
  expect(() => define(options)).toThrow(new RegExp(`workflow .*${field}`, 's'))
})

const withParam = (schedule: string | null) =>
  defineWorkflow({
    name: 'greeting',
    entity: { one: 'user', many: 'users' },
    params: z.object({ campaign: z.string() }),
    data: z.object({ text: z.string() }),
    population: ({ db }) => db.select({ id: users.id, version: inputVersion(users.name) }).from(users),
    work: () => Promise.resolve({ text: '' }),
    schedule,
  })

test('a param without a default is refused where nobody can give it', () => {
  expect(() => withParam('0 3 * * *')).toThrow('every param needs a default')
  expect(withParam(null).name).toBe('greeting')
})
