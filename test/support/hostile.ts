import * as fc from 'fast-check'

/** How a property is tried: always with the same values, so that what fails once fails again. */
export const tries = (numRuns: number) => ({ seed: 20_260_901, numRuns })

const odd = [
  '',
  ' ',
  '\0',
  '\ud800',
  '\ufffe',
  '\u202egnp.exe',
  'ﷺ',
  '👩🏽‍🌾',
  'e\u0301',
  '../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  'a\r\nX-Injected: yes',
  "'; drop table batches; --",
  '${7*7}{{7*7}}',
  '<script>alert(1)</script>',
  '\\u0000',
  '\\\\\\',
  '__proto__',
  'constructor',
  'null',
  'NaN',
  '-1',
  '1e999',
  '9007199254740993',
  'infinity',
  'all',
  'https://attacker.example/x',
]

/** Texts that somebody who means no good would send: none at all, odd ones, and ones of up to 10,000 characters. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...odd),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc
    .tuple(fc.constantFrom('a', 'é', '🌻', '\\', '"', '[', '\n'), fc.constantFrom(200, 501, 5000))
    .map(([text, times]) => text.repeat(times)),
)

const hostileNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 0.5, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -(2 ** 63), 5e-324, 1e308),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)

const { json } = fc.letrec<{ json: unknown; many: unknown[]; object: object }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    hostileText,
    hostileNumber,
    fc.boolean(),
    fc.constant(null),
    tie('many'),
    tie('object'),
  ),
  many: fc.array(tie('json'), { maxLength: 4 }),
  object: fc.dictionary(hostileText, tie('json'), { maxKeys: 4 }),
}))

/** Any value that JSON can say. */
export const hostileJson = json

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

/** What may be sent where JSON is wanted: JSON of any shape, and what is none. */
export const hostileBody: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: hostileJson.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: hostileText },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{"__proto__":{"polluted":true}}',
      '{"constructor":{"prototype":{"polluted":true}}}',
      '{"limit":1,"limit":"all"}',
      '{"limit":1e999}',
      '{"reason":"\\u0000"}',
      '{"reason":"\\ud800"}',
      '\ufeff{}',
      '{"reason":"half',
      '[{}]',
      nested(101),
      nested(20_000),
      `{"reason":${nested(5000)}}`,
    ),
  },
)

/** Nobody has put a field on every object. */
export const isPolluted = (): boolean => Reflect.has({}, 'polluted')
