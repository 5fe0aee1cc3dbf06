import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { envSchema, parseEnv } from '../../src/env.ts'
import { root } from './source.ts'

const path = join(root, '.dev.vars.example')
const text = existsSync(path) ? readFileSync(path, 'utf8') : ''

/** Every setting of the file; one that is commented out is only shown. */
const settings = [...text.matchAll(/^(# ?)?([A-Z][A-Z0-9_]*)=/gm)].map(([, comment, name = '']) => ({
  name,
  shown: comment !== undefined,
}))

const required = Object.entries(envSchema.shape)
  .filter(([, setting]) => !setting.safeParse(undefined).success)
  .map(([name]) => name)

describe('.dev.vars.example', () => {
  test('lists every setting of the Worker, once, and no other', () => {
    expect(settings.map(({ name }) => name).toSorted()).toEqual(Object.keys(envSchema.shape).toSorted())
  })

  test('leaves out only what the Worker can do without', () => {
    const set = settings.filter(({ shown }) => !shown).map(({ name }) => name)
    expect(set).toEqual(expect.arrayContaining(required))
  })
})

test('what the Worker needs is all that it asks for when it has nothing', () => {
  expect(() => parseEnv({})).toThrow(required.join(', '))
})
