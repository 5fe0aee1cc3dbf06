import { describe, expect, test } from 'vitest'
import { progressOf } from '../../src/engine/progress.ts'

type Counted = Parameters<typeof progressOf>[0]
type Recent = Parameters<typeof progressOf>[1]

const running: Counted = {
  status: 'running',
  exhausted: false,
  recorded: 0,
  succeeded: 0,
  skipped: 0,
  failed: 0,
  cancelled: 0,
  retrying: 0,
  plan: { toProcess: 1000 },
}
const nothing: Recent = { ended: 0, seconds: 10, p50: null, p95: null }

const of = (changes: Partial<Counted> = {}, recent: Partial<Recent> = {}) =>
  progressOf({ ...running, ...changes }, { ...nothing, ...recent })

describe('percent', () => {
  test.each<[why: string, changes: Partial<Counted>, percent: number | null]>([
    ['before there is a plan', { plan: null, status: 'starting' }, null],
    ['with nothing done', {}, 0],
    ['of the plan while the population is read', { recorded: 500, succeeded: 250 }, 25],
    ['of what is recorded when that is more', { recorded: 2000, succeeded: 250 }, 12.5],
    ['of what is recorded once the population is read', { recorded: 500, exhausted: true, failed: 250 }, 50],
    ['of all kinds of ends', { recorded: 100, succeeded: 10, skipped: 20, failed: 30, cancelled: 40 }, 10],
    [
      'without those that are tried again',
      { recorded: 500, exhausted: true, failed: 250, retrying: 150 },
      20,
    ],
    ['never rounded up to the end', { recorded: 1e6, exhausted: true, succeeded: 999_999 }, 99.9],
    [
      'of a batch that found nothing to do',
      { plan: { toProcess: 0 }, exhausted: true, status: 'completed' },
      100,
    ],
    ['at the end', { recorded: 1000, exhausted: true, succeeded: 1000, status: 'completed' }, 100],
  ])('%s', (_, changes, percent) => {
    expect(of(changes).percent).toBe(percent)
  })
})

describe('the estimate of when a batch ends', () => {
  test('is what is left over the rate, with 95 % confidence', () => {
    // 100 ± 1.96 · 10 in 50 s: between 1.608 and 2.392 a second; 900 are left.
    expect(of({ recorded: 200, succeeded: 100 }, { ended: 100, seconds: 50 })).toMatchObject({
      itemsPerSecond: 2,
      etaSeconds: { seconds: 450, low: 376, high: 560 },
    })
  })

  test.each([
    [1, null],
    [3, null],
    [4, expect.any(Number)],
  ])('has, after %i items, the upper end %s', (ended, high) => {
    expect(of({}, { ended, seconds: 10 }).etaSeconds?.high).toEqual(high)
  })

  test('is not given before an item has ended', () => {
    expect(of({}, { ended: 0 })).toMatchObject({ itemsPerSecond: 0, etaSeconds: null })
    expect(of({}, { ended: 0, seconds: null })).toMatchObject({ itemsPerSecond: null, etaSeconds: null })
    expect(of({}, { ended: 5, seconds: 0 })).toMatchObject({ itemsPerSecond: null, etaSeconds: null })
  })

  test.each(['queued', 'starting', 'paused', 'completed', 'cancelled', 'failed', 'skipped'] as const)(
    'is not given for a batch that is %s, nor is its rate',
    (status) => {
      expect(of({ status, recorded: 200, succeeded: 100 }, { ended: 100 })).toMatchObject({
        itemsPerSecond: null,
        etaSeconds: null,
      })
    },
  )

  test('is now when nothing is left', () => {
    const done = { exhausted: true, recorded: 100, succeeded: 100 }
    expect(of(done, { ended: 100 }).etaSeconds).toEqual({ seconds: 0, low: 0, high: 0 })
  })

  test('holds the truth 19 times out of 20, when items end at random', () => {
    const random = generator(42)
    const left = 1000
    const rounds = 2000
    let held = 0
    for (let round = 0; round < rounds; round += 1) {
      let seconds = 0
      for (let n = 0; n < 100; n += 1) seconds -= Math.log(random()) / 3
      const { etaSeconds } = of({ recorded: 100, succeeded: 0 }, { ended: 100, seconds })
      const truth = left / 3
      held += Number(etaSeconds !== null && etaSeconds.low <= truth && truth <= (etaSeconds.high ?? Infinity))
    }
    expect(held / rounds).toBeGreaterThan(0.93)
    expect(held / rounds).toBeLessThan(0.97)
  })
})

test('the time per item is shown as it was measured, also of an ended batch', () => {
  expect(of({ status: 'completed' }, { p50: 120, p95: 900 }).workMs).toEqual({ p50: 120, p95: 900 })
  expect(of().workMs).toBeNull()
})

/** Numbers between 0 and 1, the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 1) / (2 ** 32 + 1)
  }
}
