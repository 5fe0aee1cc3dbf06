import { SELF } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { rounds } from '../support/rounds.ts'
import { expectError, notFound, unavailable } from './error-shape.ts'

const get = (path: string) => SELF.fetch(`https://rounds.test${path}`)

describe('the reference page', () => {
  test('shows the document with nothing but files of this Worker', async () => {
    const page = await get('/docs')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    const html = await page.text()
    const links = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link = '']) => link)
    expect(links).toContain('/openapi.json')
    for (const link of links) {
      const answer = await get(link)
      expect(answer.status, link).toBe(200)
      expect((await answer.arrayBuffer()).byteLength, link).toBeGreaterThan(50)
    }
    expect(await (await get('/docs/show.js')).text()).toContain("url: '/openapi.json'")
    expect(await (await get('/docs/swagger-ui-bundle.js')).text()).toContain('SwaggerUIBundle')
  })

  test('runs no other script, asks nobody else, and cannot be framed', async () => {
    for (const path of ['/docs', '/docs/swagger-ui-bundle.js']) {
      const { headers } = await get(path)
      const policy = headers.get('content-security-policy') ?? ''
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("script-src 'self';")
      expect(policy).toContain("connect-src 'self'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toMatch(/unsafe|\*|https?:/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
    expect(await (await get('/docs')).text()).not.toMatch(/<script>|<style|\son\w+=|https?:\/\//)
  })

  test.for([
    '/',
    '/index.html',
    '/swagger-ui.css',
    '/swagger-ui-bundle.js.map',
    '/docs/index.html',
    '/docs/swagger-initializer.js',
    '/docs/swagger-ui-bundle.js.map',
    '/docs/package.json',
    '/docs/..%2Findex.html',
    '/docs/%2e%2e/index.html',
  ])('hands out nothing else: %s', async (path) => {
    const answer = await get(path)
    expectError({ status: answer.status, body: await answer.json() }, notFound)
  })

  test('says so where its files were not deployed', async () => {
    expectError(await rounds().call('GET', '/docs/swagger-ui.css'), unavailable)
  })
})
