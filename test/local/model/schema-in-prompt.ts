import { jsonSchema, type JsonSchema } from './json-schema.ts'

/**
 * Finds out which JSON a prompt asks for when the request names no schema: either a JSON schema written into the
 * prompt, or an example of the shape such as `{"title": string, "tags": [string, …]}`.
 */
export function schemaInPrompt(prompt: string): JsonSchema | undefined {
  for (const text of objectsIn(prompt)) {
    const schema = asSchema(text) ?? asShape(text)
    if (schema) return schema
  }
  return undefined
}

/** The texts between outermost braces. */
function objectsIn(prompt: string): string[] {
  const found: string[] = []
  let depth = 0
  let start = 0
  for (const { 0: brace, index } of prompt.matchAll(/[{}]/g)) {
    if (brace === '{' && depth++ === 0) start = index
    if (brace === '}' && depth > 0 && --depth === 0) found.push(prompt.slice(start, index + 1))
  }
  return found
}

function asSchema(text: string): JsonSchema | undefined {
  const parsed = jsonSchema.safeParse(parseJson(text))
  return parsed.data?.properties && parsed.data
}

function asShape(text: string): JsonSchema | undefined {
  const quoted = text
    .replaceAll(/,?\s*(?:…|\.\.\.)/g, '')
    .replaceAll(/(?<=[:[,]\s*)(string|number|integer|boolean)\b/g, '{"type":"$1"}')
  const shape = parseJson(quoted)
  return shape === undefined || quoted === text ? undefined : schemaOfShape(shape)
}

function schemaOfShape(shape: unknown): JsonSchema {
  if (Array.isArray(shape)) return { type: 'array', items: schemaOfShape(shape[0]) }
  if (typeof shape !== 'object' || shape === null) return { type: 'string' }
  if ('type' in shape && typeof shape.type === 'string') return { type: shape.type }
  const properties = Object.entries(shape).map(([name, value]) => [name, schemaOfShape(value)])
  return { type: 'object', properties: Object.fromEntries(properties) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
