import { expect, test } from 'vitest'
import { readTarget } from './target.ts'

const env = {
  CONFORMANCE_QSTASH_URL: 'https://qstash.example/',
  CONFORMANCE_QSTASH_TOKEN: 'token',
  CONFORMANCE_CURRENT_SIGNING_KEY: 'sig_a',
  CONFORMANCE_NEXT_SIGNING_KEY: 'sig_b',
  CONFORMANCE_PUBLIC_URL: 'https://tunnel.example/',
  CONFORMANCE_PORT: '3000',
}

test('without variables the local QStash is meant', () => {
  expect(readTarget({ PATH: '/bin' })).toBeUndefined()
})

test('with all variables another QStash is meant', () => {
  expect(readTarget({ ...env, PATH: '/bin' })).toEqual({
    qstash: {
      url: 'https://qstash.example',
      token: 'token',
      currentSigningKey: 'sig_a',
      nextSigningKey: 'sig_b',
    },
    publicUrl: 'https://tunnel.example',
    port: 3000,
  })
})

test.each([
  ['a missing variable', { ...env, CONFORMANCE_PORT: undefined }, 'CONFORMANCE_PORT'],
  ['a port that is none', { ...env, CONFORMANCE_PORT: 'three' }, 'CONFORMANCE_PORT'],
  ['a URL that is none', { ...env, CONFORMANCE_PUBLIC_URL: 'tunnel' }, 'CONFORMANCE_PUBLIC_URL'],
  ['an empty token', { ...env, CONFORMANCE_QSTASH_TOKEN: '' }, 'CONFORMANCE_QSTASH_TOKEN'],
  ['a misspelled variable', { ...env, CONFORMANCE_PROT: '1' }, 'CONFORMANCE_PROT'],
])('%s is an error that names it', (_, given, name) => {
  expect(() => readTarget(given)).toThrow(name)
})
