import { z } from 'zod'

type Json = z.infer<ReturnType<typeof z.json>>

/** The part of JSON Schema that is understood here; other keywords are ignored. */
export type JsonSchema = {
  type?: string | string[] | undefined
  enum?: Json[] | undefined
  const?: Json | undefined
  $ref?: string | undefined
  $defs?: Record<string, JsonSchema> | undefined
  definitions?: Record<string, JsonSchema> | undefined
  anyOf?: JsonSchema[] | undefined
  oneOf?: JsonSchema[] | undefined
  allOf?: JsonSchema[] | undefined
  properties?: Record<string, JsonSchema> | undefined
  required?: string[] | undefined
  items?: JsonSchema | undefined
  prefixItems?: JsonSchema[] | undefined
  minItems?: number | undefined
  maxItems?: number | undefined
  minLength?: number | undefined
  maxLength?: number | undefined
  minimum?: number | undefined
  maximum?: number | undefined
  exclusiveMinimum?: number | undefined
  exclusiveMaximum?: number | undefined
  multipleOf?: number | undefined
  format?: string | undefined
}

const length = z.int().min(0).optional()
const bound = z.number().optional()
const schemas = z.lazy(() => z.array(jsonSchema).min(1).optional())
const schemasByName = z.lazy(() => z.record(z.string(), jsonSchema).optional())

/** Reads a JSON schema out of a request; `true` and `false` are schemas too. */
export const jsonSchema: z.ZodType<JsonSchema> = z.lazy(() =>
  z.union([z.boolean().transform((): JsonSchema => ({})), objectSchema]),
)

const objectSchema: z.ZodType<JsonSchema> = z.lazy(() =>
  z.object({
    type: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
    enum: z.array(z.json()).min(1).optional(),
    const: z.json().optional(),
    $ref: z.string().optional(),
    $defs: schemasByName,
    definitions: schemasByName,
    anyOf: schemas,
    oneOf: schemas,
    allOf: schemas,
    properties: schemasByName,
    required: z.array(z.string()).optional(),
    items: jsonSchema.optional(),
    prefixItems: schemas,
    minItems: length,
    maxItems: length,
    minLength: length,
    maxLength: length,
    minimum: bound,
    maximum: bound,
    exclusiveMinimum: bound,
    exclusiveMaximum: bound,
    multipleOf: z.number().positive().optional(),
    format: z.string().optional(),
  }),
)

/**
 * Follows references, chooses among alternatives, and merges what must hold together.
 *
 * @param preferNull chooses null where it is an alternative, instead of the first other one.
 */
export function resolve(schema: JsonSchema, root: JsonSchema, preferNull = false): JsonSchema {
  if (schema.$ref !== undefined) return resolve(definition(schema.$ref, root), root, preferNull)
  const alternatives = schema.anyOf ?? schema.oneOf
  if (alternatives) {
    const { anyOf: _any, oneOf: _one, ...rest } = schema
    const chosen = alternatives.find(({ type }) => (type === 'null') === preferNull) ?? alternatives[0]
    return resolve({ ...rest, ...chosen }, root, preferNull)
  }
  if (schema.allOf) {
    const { allOf, ...rest } = schema
    return resolve(allOf.map((part) => resolve(part, root)).reduce(merge, rest), root, preferNull)
  }
  return schema
}

function definition(ref: string, root: JsonSchema): JsonSchema {
  if (ref === '#') return root
  const name = ref.split('/').at(-1) ?? ''
  return root.$defs?.[name] ?? root.definitions?.[name] ?? {}
}

const merge = (a: JsonSchema, b: JsonSchema): JsonSchema => ({
  ...a,
  ...b,
  ...((a.properties ?? b.properties) && { properties: { ...a.properties, ...b.properties } }),
})
