import * as fc from 'fast-check'
import { z } from 'zod'
import { hostileBody, hostileJson, hostileText } from '../support/hostile.ts'
import { dereferenced, schemaOf, type Operation } from './document.ts'

export type HostileRequest = { path: string; headers: Record<string, string>; body: string | null }

const shapeSchema = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.json()).optional(),
  const: z.json().optional(),
  anyOf: z.array(schemaOf).optional(),
  properties: z.record(z.string(), schemaOf).optional(),
  items: schemaOf.optional(),
  format: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
})
type Shape = z.output<typeof shapeSchema>

/** A value that fits a schema, or nearly: it mostly is of the right type, and some of it is anything. */
function nearly(schema: z.output<typeof schemaOf>): fc.Arbitrary<unknown> {
  const shape = shapeSchema.parse(dereferenced(schema))
  return fc.oneof({ weight: 8, arbitrary: fitting(shape) }, { weight: 1, arbitrary: hostileJson })
}

function fitting(shape: Shape): fc.Arbitrary<unknown> {
  const { type, enum: options, const: only, anyOf, properties, items, format } = shape
  if (only !== undefined) return fc.constant(only)
  if (options !== undefined) return fc.constantFrom(...options)
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(nearly))
  if (format === 'uuid') return fc.uuid()
  switch (type) {
    case 'object':
      return fc.record(
        Object.fromEntries(
          Object.entries(properties ?? {}).map(([name, property]) => [name, nearly(property)]),
        ),
        { requiredKeys: [] },
      )
    case 'array':
      return fc.array(nearly(items ?? {}), { maxLength: 3 })
    case 'integer':
    case 'number':
      return numberIn(shape)
    case 'boolean':
      return fc.boolean()
    case 'string':
      return hostileText
    case undefined:
    default:
      return hostileJson
  }
}

function numberIn({ type, minimum = 0, maximum = 1e9 }: Shape): fc.Arbitrary<number> {
  const bounds = fc.constantFrom(minimum, maximum)
  if (type === 'number') return fc.oneof(bounds, fc.double({ min: minimum, max: maximum, noNaN: true }))
  return fc.oneof(bounds, fc.integer({ min: Math.ceil(minimum), max: Math.floor(maximum) }))
}

/** A part of a path as it is sent, also what nobody can decode. */
const hostileSegment = fc.oneof(
  hostileText.map((text) => encodeURIComponent(text.toWellFormed())),
  fc.constantFrom(
    '%',
    '%ff',
    '%00',
    '%2500',
    '%ed%a0%80',
    '%0d%0aX-Injected:%20yes',
    '..',
    '.',
    '%2e%2e',
    ';',
    '@',
  ),
)

/** What a header can carry. */
const headerText = fc.oneof(
  fc.string({ maxLength: 20 }).map((text) => text.trim()),
  fc.constantFrom('', 'k'.repeat(200), 'k'.repeat(10_000), "' or 1=1 --", 'https://attacker.example'),
)

const mediaType = fc.constantFrom('text/plain', 'application/x-www-form-urlencoded', 'application/json; x=1')

/**
 * Requests of an operation as a client may send them who has a token and means no good.
 *
 * @param known values of the path's parameters that lead somewhere.
 */
export function hostileRequests(
  { path, parameters, requestBody }: Operation,
  known: Record<string, string>,
): fc.Arbitrary<HostileRequest> {
  const names = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
  const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
  const segments = inPath.map((name): [string, fc.Arbitrary<string>] => {
    const arbitrary = fc.constant(encodeURIComponent(known[name] ?? 'x'))
    return [name, fc.oneof({ weight: 3, arbitrary }, { weight: 1, arbitrary: hostileSegment })]
  })
  const value = fc.oneof(
    hostileText,
    fc.constantFrom('1', '200', 'running', 'failed', 'true', 'agent-welcome'),
  )
  const key =
    names.length === 0
      ? hostileText
      : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: hostileText })
  const query = fc.array(fc.tuple(key, value), { maxLength: 2 })
  const headers = fc.record(
    { 'idempotency-key': headerText, 'last-event-id': headerText, 'content-type': mediaType },
    { requiredKeys: [] },
  )
  return fc
    .record({ segments: fc.record(Object.fromEntries(segments)), query, headers, body: bodies(requestBody) })
    .map((request) => {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        z.string().parse(Reflect.get(request.segments, name)),
      )
      const search = new URLSearchParams(request.query).toString()
      return {
        path: search === '' ? filled : `${filled}?${search}`,
        headers: request.headers,
        body: request.body,
      }
    })
}

/** The worst of them, to be tried whatever chance brings. */
export function worstRequests(
  { path, parameters, requestBody }: Operation,
  known: Record<string, string>,
): HostileRequest[] {
  const filledWith = (value: (name: string) => string) =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(value(name)))
  const usual = filledWith((name) => known[name] ?? 'x')
  const queries = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
  const search = (value: string) => `?${new URLSearchParams(queries.map((name) => [name, value])).toString()}`
  const bodies = requestBody === undefined ? [] : ['{"__proto__":{"polluted":true}}', '['.repeat(20_000)]
  return [
    ...['\0', 'x'.repeat(10_000), '../..'].map((text) => filledWith(() => text)),
    ...queries.map((name) => `${usual}?${new URLSearchParams({ [name]: '\0' }).toString()}`),
    ...(queries.length === 0 ? [] : [usual + search('x'.repeat(10_000)), usual + search('')]),
  ]
    .map((one): HostileRequest => ({ path: one, headers: {}, body: requestBody === undefined ? null : '{}' }))
    .concat(bodies.map((body) => ({ path: usual, headers: {}, body })))
}

const requestBodySchema = z.object({
  content: z.object({ 'application/json': z.object({ schema: schemaOf }) }),
})

function bodies(requestBody: unknown): fc.Arbitrary<string | null> {
  if (requestBody === undefined) return fc.constant(null)
  const { schema } = requestBodySchema.parse(requestBody).content['application/json']
  return fc.oneof(
    { weight: 5, arbitrary: nearly(schema).map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: hostileBody },
  )
}
