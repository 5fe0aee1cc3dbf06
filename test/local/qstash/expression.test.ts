import { describe, expect, test } from 'vitest'
import { parseDuration } from './duration.ts'
import { evaluate } from './expression.ts'

describe('retry delay expressions', () => {
  test.each([
    ['1000', 1000],
    ['1000 * (1 + retried)', 4000],
    ['pow(2, retried)', 8],
    ['max(10, pow(2, retried))', 10],
    ['min(5, 1, 3)', 1],
    ['2 + 3 * 4 - 6 / 2', 11],
    ['-(2 - 5) * +2', 6],
    ['floor(1.9) + ceil(1.1) + round(1.5)', 5],
    ['sqrt(16) + abs(-3) + exp(0)', 8],
    ['1.5e3', 1500],
    ['10 - 4 - 3', 3],
  ])('%s is %d when retried is 3', (source, expected) => {
    expect(evaluate(source, { retried: 3 })).toBe(expected)
  })

  test.each(['', '1 +', '(1', 'pow(1', 'process', 'constructor(1)', '1; 2', '2 ** 3', 'retried.x', 'max()'])(
    '"%s" is refused',
    (source) => {
      expect(() => evaluate(source, { retried: 0 })).toThrow(SyntaxError)
    },
  )
})

describe('durations', () => {
  test.each([
    ['90', 90_000],
    ['90s', 90_000],
    ['6m5s', 365_000],
    ['7d', 604_800_000],
    ['250ms', 250],
    ['1.5h', 5_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', 'soon', '5 weeks', '-3s', '5sx', 's'])('"%s" is none', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})
