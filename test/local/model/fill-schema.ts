import { hashOf, numberFrom } from './chance.ts'
import { resolve, type JsonSchema } from './json-schema.ts'
import type { Writer } from './write.ts'

type Place = {
  root: JsonSchema
  writer: Writer
  /** What every choice depends on. */
  seed: string
  /** The property that is being filled; an array's elements have the name of the array. */
  property: string
  /** The position in an array. */
  position: number
  depth: number
}

/** Below this depth everything that may be left out is left out, so that recursive schemas come to an end. */
const DEEPEST = 6

/** Makes a value that satisfies a JSON schema, the same one for the same seed; property names hint at the content. */
export function fillSchema(root: JsonSchema, writer: Writer, seed: string): unknown {
  return fill(root, { root, writer, seed, property: '', position: 0, depth: 0 })
}

function fill(unresolved: JsonSchema, place: Place): unknown {
  const schema = resolve(unresolved, place.root, place.depth > DEEPEST)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[choose(place, schema.enum.length)]
  switch (typeOf(schema)) {
    case 'object':
      return object(schema, place)
    case 'array':
      return array(schema, place)
    case 'number':
    case 'integer':
      return number(schema, place)
    case 'boolean':
      return choose(place, 2) === 0
    case 'null':
      return null
    default:
      return string(schema, place)
  }
}

function typeOf(schema: JsonSchema): string {
  if (typeof schema.type === 'string') return schema.type
  if (schema.type) return schema.type.find((type) => type !== 'null') ?? 'null'
  if (schema.properties) return 'object'
  return schema.items ? 'array' : 'string'
}

function object(schema: JsonSchema, place: Place): object {
  const needed = (property: string) => place.depth <= DEEPEST || schema.required?.includes(property)
  const entries = Object.entries(schema.properties ?? {}).filter(([property]) => needed(property))
  const depth = place.depth + 1
  return Object.fromEntries(
    entries.map(([property, value]) => [
      property,
      fill(value, { ...place, depth, property, position: 0, seed: `${place.seed}/${property}` }),
    ]),
  )
}

function array(schema: JsonSchema, place: Place): unknown[] {
  const usual = place.depth > DEEPEST ? 0 : Math.min(3, schema.maxItems ?? 3)
  const { minItems = usual, maxItems = usual === 0 ? minItems : minItems + 2, items = {} } = schema
  const depth = place.depth + 1
  const at = (position: number): Place => ({ ...place, depth, position, seed: `${place.seed}/${position}` })
  if (schema.prefixItems) return schema.prefixItems.map((item, position) => fill(item, at(position)))
  const length = minItems + choose(place, Math.max(maxItems - minItems, 0) + 1)
  const values = Array.from({ length }, (_, position) => fill(items, at(position)))
  return distinct(values, resolve(items, place.root))
}

/** Numbers the strings of a list that would repeat one before them. */
function distinct(values: unknown[], { maxLength = Infinity, enum: choices }: JsonSchema): unknown[] {
  const seen = new Set<unknown>()
  return values.map((value, i) => {
    const mark = ` ${i + 1}`
    const repeated = typeof value === 'string' && !choices && seen.has(value)
    const result = repeated ? value.slice(0, Math.max(maxLength - mark.length, 0)) + mark : value
    seen.add(result)
    return result
  })
}

function number(schema: JsonSchema, place: Place): number {
  const step = schema.multipleOf ?? (typeOf(schema) === 'integer' ? 1 : 0.01)
  const { minimum = -Infinity, maximum = Infinity } = schema
  const { exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = schema
  const lowest = Math.max(Math.ceil(minimum / step), Math.floor(exclusiveMinimum / step) + 1)
  const highest = Math.min(Math.floor(maximum / step), Math.ceil(exclusiveMaximum / step) - 1)
  // Where no reasonable lower bound is given, numbers are positive.
  const first = lowest < -1e6 ? Math.min(1, highest) : lowest
  const steps = first + choose(place, Math.max(Math.min(highest - first, 1000), 0) + 1)
  return Number((steps * step).toFixed(10))
}

function string(schema: JsonSchema, { writer, seed, property, position }: Place): string {
  const id = hashOf(seed)
  const date = `2025-0${1 + numberFrom(seed, 9)}-15`
  const formatted: Record<string, string> = {
    date,
    'date-time': `${date}T12:00:00Z`,
    email: `${id}@example.com`,
    uri: `https://example.com/${id}`,
    uuid: `${id.slice(0, 8)}-${id.slice(8, 12)}-4${id.slice(13)}-8000-${id.slice(0, 12)}`,
  }
  if (/^(locale|language)$/i.test(property)) return writer.language
  return formatted[schema.format ?? ''] ?? writer.text(property, position, schema)
}

const choose = (place: Place, count: number): number => numberFrom(`${place.seed}?`, count)
