import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { results } from '../../src/db/schema.ts'
import agentWelcome from '../../src/workflows/agent-welcome/definition.ts'
import welcomePlaceholder from '../../src/workflows/welcome-placeholder/definition.ts'
import { readers } from '../http/readers.ts'
import { hostileBody, hostileJson, hostileText, isPolluted, tries } from '../support/hostile.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from './records.ts'
import { itemsOf, runBatch } from './runs.ts'

beforeEach(resetEverything)

const shortText = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), hostileText)
const someTexts = fc.array(shortText, { minLength: 2, maxLength: 6 })

/** Fields that nobody has asked for. */
const extra = fc.dictionary(hostileText, hostileJson, { maxKeys: 2 })

const cases = [
  {
    workflow: welcomePlaceholder,
    /** An entity of which the prompt says this word. */
    add: (app: ReturnType<typeof rounds>, id: string, word: string) =>
      addUser(app.services.db, id, { interests: [word] }),
    nearly: fc.record({ placeholders: fc.oneof(someTexts, hostileJson) }),
    right: { placeholders: ['What grows in the shade?', 'Wann blüht Moos?', '苔は何ですか'] },
  },
  {
    workflow: agentWelcome,
    add: (app: ReturnType<typeof rounds>, id: string, word: string) =>
      addAgent(app.services.db, id, { title: word }),
    nearly: fc.record({
      welcomeMessage: fc.oneof(shortText, hostileJson),
      openQuestions: fc.oneof(someTexts, hostileJson),
    }),
    right: { welcomeMessage: 'Hallo', openQuestions: ['What?', 'Who?', 'Why?'] },
  },
]

/** Texts around and in the place of a right answer. */
const wrapped = (right: object) => {
  const text = JSON.stringify(right)
  const fields = text.slice(1, -1)
  return fc.constantFrom(
    text,
    `\`\`\`json\n${text}\n\`\`\``,
    `Certainly! ${text}`,
    `${text}${text}`,
    `[${text}]`,
    JSON.stringify(text),
    text.slice(0, -2),
    `{${fields},"__proto__":{"polluted":true}}`,
    `{"__proto__":{${fields}}}`,
    `{${fields},"constructor":{"prototype":{"polluted":true}}}`,
    `{${fields},${fields}}`,
    `{${fields},"extra":"${'x'.repeat(200_000)}"}`,
    `{${fields},"extra":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    text.replace('"', '"\\u0000'),
    text.replaceAll('e', '\\u0000'),
    text.replaceAll('e', '\\ud800'),
    'x'.repeat(200_000),
  )
}

describe.each(cases)('an answer of the model for $workflow.name', ({ workflow, add, nearly, right }) => {
  const reader = readers.find((candidate) => candidate.workflow === workflow.name)
  const answers = fc.oneof(
    fc.tuple(nearly, extra).map(([fields, more]) => JSON.stringify({ ...more, ...fields })),
    wrapped(right),
    hostileBody,
  )

  test('is a result that fits, and is read as it was stored, or it fails its item with a reason that is its own', async () => {
    const { data, name } = workflow
    const property = async (contents: string[]) => {
      await resetEverything()
      const app = rounds()
      const ids = contents.map((_, n) => `item-${n}`)
      for (const id of ids) await add(app, id, `(${id})`)
      const rules = contents.map((content, n) => ({ match: `(item-${n})`, content }))
      await local('model', 'faults', { rules })
      const batch = await runBatch(app, name)

      expect(batch).toMatchObject({ status: 'completed', counts: { recorded: ids.length } })
      const stored = new Map(
        (await app.services.db.select().from(results)).map((row) => [row.itemId, row.data]),
      )
      for (const { id, status, error } of await itemsOf(app, batch.id)) {
        const { body } = await app.call('GET', reader?.path(id) ?? '')
        if (status === 'succeeded') {
          expect(strict(data).safeParse(stored.get(id)).error).toBeUndefined()
          expect(body).toEqual(stored.get(id))
        } else {
          expect(status).toBe('failed')
          expect(error?.message).toMatch(
            /^the (model's answer does not fit the schema|result holds a character that cannot be stored)$/,
          )
          expect(stored.has(id)).toBe(false)
          expect(body).toEqual(reader?.empty)
        }
      }
      expect(isPolluted()).toBe(false)
    }
    const contents = fc.array(answers, { minLength: 10, maxLength: 10 })
    await fc.assert(fc.asyncProperty(contents, property), tries(2))
  })
})

/** The same shape with nothing else in it. */
const strict = (schema: z.ZodType) => z.instanceof(z.ZodObject).parse(schema).strict()
