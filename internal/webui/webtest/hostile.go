package webtest

import (
	"strings"
)

// Hostile are texts that somebody could send as a name or a message, or a server could answer: markup and script in every
// place where a page could take them for its own, characters that turn the direction of writing or hide, very long words.
func Hostile() []string {
	return []string{
		`<script>window.hacked=1</script>`,
		`"><img src=x onerror="window.hacked=1">`,
		`' onfocus='window.hacked=1' autofocus='`,
		`</title></textarea></style><svg onload=window.hacked=1>`,
		`javascript:window.hacked=1`,
		`{{.Version}}${window.hacked=1}` + "`",
		`<a href="https://evil.example/" hx-get="/" hx-on:click="window.hacked=1" hx-trigger="load">link</a>`,
		`<div hx-get="javascript:window.hacked=1" hx-trigger="load" hx-swap-oob="true" id="main">`,
		"\u202egnp.exe\u202c \u2066left\u2069 \u061c\u200f\u202b",
		"a\u0000b\u001b[31mc\u0007\u0085\u2028\u2029\ufeff",
		"e" + strings.Repeat("\u0301", 200) + " zalgo",
		strings.Repeat("W", 10_000),
		strings.Repeat("👩\u200d👩\u200d👧\u200d👦", 300),
		"🏳️\u200d🌈 Ünïcödé שלום عليكم 你好 नमस्ते",
		"line one\r\nSet-Cookie: hacked=1\r\n\r\n<html>",
		"../../../etc/passwd",
		"\xff\xfe broken bytes",
		`&lt;script&gt;&#x3c;b&#62;`,
		"",
		" ",
	}
}

// Markup is an expression that is true in a page where a hostile text became markup, script or an attribute.
const Markup = `window.hacked !== undefined || !!document.querySelector("[onerror],[onload],[onfocus],[onclick],a[href^='javascript'],` +
	`a[href*='evil.example'],main [hx-on\\:click],img[src='x'],main script,[hx-get^='javascript']") || document.cookie.includes("hacked")`
