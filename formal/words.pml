/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered words on a link that loses messages: each is taken once, in order, and in the end; also where
 * one side begins a session of which the other has not heard.
 *
 * Source: src/core/words.c: words_start words_say transmit repeat timer_fired words_answer heard words_receive
 * Source: src/wire/word.h: word_number
 *
 * One direction: a side says N words, the other answers. The link loses LOSSES messages of either way,
 * wherever it likes, and keeps the order of the others. The timer fires whenever it likes. RESTARTS times
 * the session ends for the side that speaks, alone; what it sent is gone then, what the other has sent
 * may still come. Who hears words of another session breaks the link, and both begin anew.
 *
 * Abstracted: the answer inside a word of the other direction (it only tells what is known, earlier), what
 * was said before the agreement (unit tests of words.c and serial_routed), a tag that happens to be
 * the same twice (one of 65,535).
 *
 * Check: -DLOSSES=3 -DRESTARTS=0
 * Check: -DLOSSES=2 -DRESTARTS=1
 * Check: -DLOSSES=1 -DRESTARTS=2
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DNO_TIMER (nothing is said again)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DANY_ORDER (a word is taken although one before it is missing)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DAGAIN (one that was said again is taken again)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DMODULUS=2 (as many numbers as words that may be on their way)
 * Defect: -DLOSSES=0 -DRESTARTS=1 -DNO_TAG (words of another session are not known as such)
 */
#define N        4
#define WINDOW   2
#define CAPACITY 4
#ifndef MODULUS
#define MODULUS 4
#endif

chan words = [CAPACITY] of { byte, byte, byte };   /* tag, number, which word it is */
chan answers = [CAPACITY] of { byte, byte };       /* tag, number */
byte n_losses = LOSSES, n_restarts = RESTARTS;

byte tag = 1, said, known, repeated = 255; /* who speaks */
byte peer_tag, taken;                      /* who listens */

inline transmit(n)
{
	if
	:: n_losses -> n_losses--
	:: nfull(words) -> words!tag, n % MODULUS, n
	:: full(words) -> skip /* no buffer */
	fi
}

inline repeat()
{
	at = known;
	do
	:: at < said -> at++; transmit(at)
	:: at == said -> at = 0; break
	od
}

inline begin()
{
	tag++;
	said = 0;
	known = 0;
	repeated = 255;
	do
	:: nempty(words) -> words?_, _, _
	:: empty(words) -> break
	od
}

active proctype speaks()
{
	byte at, t, n;

end:
	do
	:: atomic { said < N && said - known < WINDOW && nfull(words) -> said++; transmit(said) }
#ifndef NO_TIMER
	:: atomic { known < said && nfull(words) -> repeat() }
#endif
	:: atomic { answers?t, n ->
		if
		:: t != tag -> skip
		:: else ->
			n = (n + MODULUS - known % MODULUS) % MODULUS;
			if
			:: n > said - known -> skip
			:: n == 0 && known < said && repeated != known -> repeated = known; repeat()
			:: n == 0 && (known == said || repeated == known) -> skip
			:: n > 0 && n <= said - known -> known = known + n
			fi
		fi;
		t = 0;
		n = 0 }
	:: atomic { n_restarts -> n_restarts--; begin() }
	od
}

inline answer()
{
	if
	:: n_losses -> n_losses--
	:: nfull(answers) -> answers!peer_tag, taken % MODULUS
	:: full(answers) -> skip
	fi
}

active proctype listens()
{
	byte t, n, which;

end:
	do
	:: atomic { words?t, n, which ->
		if
#ifdef NO_TAG
		:: n_losses > 200 -> skip
#else
		:: peer_tag && peer_tag != t -> /* broken: both begin anew */
			peer_tag = 0;
			taken = 0;
			begin();
			do
			:: nempty(answers) -> answers?_, _
			:: empty(answers) -> break
			od
#endif
		:: else ->
			peer_tag = t;
			if
#if defined(ANY_ORDER)
			:: true ->
#elif defined(AGAIN)
			:: n == (taken + 1) % MODULUS || n == taken % MODULUS ->
#else
			:: n == (taken + 1) % MODULUS ->
#endif
				taken++;
				assert(which == taken)
			:: else
			fi;
			answer()
		fi;
		t = 0;
		n = 0;
		which = 0 }
	od
}

active proctype quiet()
{
end:
	timeout;
	assert(said == N && known == N && taken == N && peer_tag == tag)
}
