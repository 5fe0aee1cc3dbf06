import { beforeEach, describe, expect, test } from 'vitest'
import { redis } from '../http/redis.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addTopics, addUser } from './records.ts'
import { prompts, runBatch } from './runs.ts'

beforeEach(resetEverything)

/** A locale and a subject; `script` is found in what the model writes for that locale. */
const languages: { locale: string; subject: string; script: RegExp }[] = [
  { locale: 'zh-CN', subject: '园艺和阳台植物', script: /\p{Script=Han}/u },
  { locale: 'ja-JP', subject: '庭いじり', script: /[\p{Script=Hiragana}\p{Script=Katakana}]/u },
  { locale: 'ko-KR', subject: '정원 가꾸기', script: /\p{Script=Hangul}/u },
  { locale: 'ru-RU', subject: 'садоводство', script: /\p{Script=Cyrillic}/u },
  { locale: 'ar-EG', subject: 'البستنة', script: /\p{Script=Arabic}/u },
  { locale: 'hi-IN', subject: 'बागवानी', script: /\p{Script=Devanagari}/u },
  { locale: 'de-DE', subject: 'Gärten & Größe „ß“', script: /Größe/ },
  { locale: 'en-US', subject: '👩🏽‍🌾🌻 é é \\ "quoted" </script>', script: /👩🏽‍🌾🌻 é é/ },
]

describe.each(languages)('in $locale', ({ locale, subject, script }) => {
  test('placeholders reach the reader as the model wrote them', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada', { locale, interests: [subject] })
    await addTopics(app.services.db, 'ada', [`${subject} 2`])
    expect((await runBatch(app, 'welcome-placeholder')).counts.succeeded).toBe(1)

    expect((await prompts())[0]).toContain(`Interests: ${JSON.stringify([subject])}`)
    expect((await prompts())[0]).toContain(`Recent topics: ${JSON.stringify([`${subject} 2`])}`)
    const { body } = await app.call('GET', '/api/users/ada/welcome-placeholders')
    expect(JSON.stringify(body)).toMatch(script)
    expect(JSON.stringify(body)).not.toContain('\ufffd')
  })

  test('a welcome reaches the reader the same from the cache and from the database', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide', { locale, title: subject, description: `${subject}!` })
    expect((await runBatch(app, 'agent-welcome')).counts.succeeded).toBe(1)

    const cached = await app.call('GET', '/api/agents/guide/welcome')
    expect(JSON.stringify(cached.body)).toMatch(script)
    await redis('FLUSHDB')
    expect(await app.call('GET', '/api/agents/guide/welcome')).toEqual(cached)
  })
})
