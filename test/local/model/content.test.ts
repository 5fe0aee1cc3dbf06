import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { answer } from './answer.ts'
import { parseChatRequest } from './chat-request.ts'
import { languageOf } from './language.ts'
import { phrases } from './phrases.ts'

/** The content of the answer to a prompt. */
function contentFor(prompt: string, response_format?: object): string {
  const messages = [{ role: 'user', content: prompt }]
  return answer(parseChatRequest(JSON.stringify({ model: 'm', messages, response_format }))).content
}

/** The object that is written for a schema; zod checks that it fits. */
function objectFor<T extends z.ZodType>(schema: T, prompt: string): z.infer<T> {
  const format = { type: 'json_schema', json_schema: { schema: z.toJSONSchema(schema) } }
  return schema.parse(JSON.parse(contentFor(prompt, format)))
}

describe('the language', () => {
  it.each([
    ['Locale: de-DE\nTitle: x', 'de'],
    ['locale = "pt_BR"', 'pt'],
    ['Language: French', 'fr'],
    ['- **Language**: es', 'es'],
    ['Locale: ar-EG', 'en'],
    ['我想学习园艺', 'zh'],
    ['庭の手入れを学びたい', 'ja'],
    ['정원 가꾸기', 'ko'],
    ['Расскажи о саде', 'ru'],
    ['Write in the given locale.\n\nLocale: it-IT', 'it'],
    ['Tell me about 園 gardens and everything that grows in them', 'en'],
  ])('of %j is %s', (prompt, language) => {
    expect(languageOf(prompt)).toBe(language)
  })

  it.each(Object.keys(phrases))('%s has phrases of its own', (language) => {
    const text = contentFor(`Locale: ${language}\nTitle: Origami`)
    expect(text).toContain('Origami')
    const english = contentFor('Locale: en\nTitle: Origami')
    expect(text === english).toBe(language === 'en')
  })
})

describe('an object', () => {
  const everything = z.object({
    welcomeMessage: z.string().min(1).max(80),
    openQuestions: z.array(z.string().max(40)).min(3).max(5),
    placeholders: z.array(z.string()).min(4).max(6),
    long: z.string().min(500).max(600),
    mood: z.enum(['calm', 'bright']),
    score: z.number().min(0).max(1),
    count: z.int().min(3).max(4),
    odd: z.int().gt(5).lt(7),
    steps: z.number().multipleOf(0.25),
    flag: z.boolean(),
    maybe: z.string().nullable(),
    either: z.union([z.object({ a: z.literal('a') }), z.number()]),
    many: z.array(z.object({ id: z.uuid(), mail: z.email(), at: z.iso.datetime() })).length(2),
    none: z.array(z.string()).max(0),
    pair: z.tuple([z.string(), z.int()]),
    optional: z.string().optional(),
  })

  it.each(['en', 'de', 'zh', 'ja', 'ru'])('satisfies its schema, in %s', (language) => {
    const titles = ['Origami', 'A very long title that goes on and on and on 🚀🚀🚀🚀🚀🚀', '']
    for (const title of titles) {
      const value = objectFor(everything, `Locale: ${language}\nTitle: ${JSON.stringify(title)}`)
      expect(value.openQuestions.every((question) => question.endsWith('?'))).toBe(true)
      expect(value.placeholders.every((text) => text.length <= 60)).toBe(true)
      expect(new Set(value.placeholders).size).toBe(value.placeholders.length)
      expect(new Set(value.openQuestions).size).toBe(value.openQuestions.length)
      expect(value.maybe).not.toBeNull()
      expect(Buffer.from(JSON.stringify(value)).toString()).not.toContain('\ufffd')
    }
  })

  it('follows references, also recursive ones', () => {
    const node = z.object({
      label: z.string(),
      get next() {
        return node.nullable()
      },
      get children() {
        return z.array(node)
      },
      get more() {
        return node.optional()
      },
    })
    const text = z.string().min(1).meta({ id: 'text' })
    const value = objectFor(z.object({ node, list: z.array(text).length(2), text }), 'x')
    expect(value.node.next?.next?.label).toEqual(expect.any(String))
    expect(value.list).toHaveLength(2)
  })

  it('mixes in the interests of the prompt', () => {
    const prompt = 'Locale: en\nInterests: ["sailing", "baroque music"]\nRecent topics: []'
    const { placeholders } = objectFor(z.object({ placeholders: z.array(z.string()).length(4) }), prompt)
    expect(placeholders.join()).toMatch(/sailing/)
    expect(placeholders.join()).toMatch(/baroque music/)
  })

  it('follows the shape in the prompt when the request names no schema', () => {
    const prompt =
      'Answer with {"title": string, "tags": [string, …], "size": {"rows": integer}}.\nLocale: fr'
    const value: unknown = JSON.parse(contentFor(prompt, { type: 'json_object' }))
    expect(value).toEqual({
      title: expect.any(String),
      tags: expect.arrayContaining([expect.any(String)]),
      size: { rows: expect.any(Number) },
    })
  })

  it('follows the JSON schema in the prompt when the request names none', () => {
    const schema = z.object({ questions: z.array(z.string()).length(2) })
    const prompt = `JSON schema:\n${JSON.stringify(z.toJSONSchema(schema))}\nData: {"x": 1}`
    expect(schema.parse(JSON.parse(contentFor(prompt, { type: 'json_object' }))).questions).toHaveLength(2)
  })
})
