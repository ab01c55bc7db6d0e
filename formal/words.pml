/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered words on a link that loses messages: each is taken once, in order, and in the end; also where
 * one side begins a session of which the other has not heard. And data beside them, which may overtake words,
 * is never taken for that of another endpoint, and does not wait for ever.
 *
 * Source: src/core/words.c: words_start words_say words_full words_behind_end is_end_of transmit repeat timer_fired words_answer heard words_receive
 * Source: src/core/ns.c: ns_waits ns_flush ns_word
 * Source: src/core/link.c: look_for_waiter serve_waiters settle_attention link_attend link_wait
 * Source: src/core/send.c: control_waits control_first claim
 * Source: src/core/receive.c: special
 * Source: src/wire/word.h: word_number
 *
 * One direction: a side says N words, the other answers. The link loses LOSSES messages of either way,
 * wherever it likes, and keeps the order of the others. The timer fires whenever it likes. RESTARTS times
 * the session ends for the side that speaks, alone; what it sent is gone then, what the other has sent
 * may still come. Who hears words of another session breaks the link, and both begin anew.
 *
 * Word 2 ends an endpoint to which one of the listener is bound, and word 3 is the answer that binds that one to
 * the next of the same name; words 1 and 4 are of others. Both endpoints have a message to send: the former one
 * before its end is to be said, the next one behind its answer. Words wait for the window and for the end to
 * be heard; who waits behind them is told by a turn of the link, which there is only if somebody has asked for
 * it.
 *
 * Abstracted: the answer inside a word of the other direction (it only tells what is known, earlier), what
 * was said before the agreement (unit tests of words.c and serial_routed), a tag that happens to be
 * the same twice (one of 65,535). Data of a former session is for addresses of that session.
 *
 * Check: -DLOSSES=3 -DRESTARTS=0 -DNO_DATA
 * Check: -DLOSSES=2 -DRESTARTS=1 -DNO_DATA
 * Check: -DLOSSES=1 -DRESTARTS=2 -DNO_DATA
 * Check: -DLOSSES=2 -DRESTARTS=0
 * Check: -DLOSSES=0 -DRESTARTS=1
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DNO_TIMER (nothing is said again)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DANY_ORDER (a word is taken although one before it is missing)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DAGAIN (one that was said again is taken again)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DMODULUS=2 (as many numbers as words that may be on their way)
 * Defect: -DLOSSES=0 -DRESTARTS=1 -DNO_TAG (words of another session are not known as such)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DEND_IS_OVERTAKEN (the answer does not wait for the end to be heard)
 * Defect: -DLOSSES=1 -DRESTARTS=0 -DANSWER_IS_OVERTAKEN (data does not wait behind the answer)
 * Defect: -DLOSSES=0 -DRESTARTS=0 -DHEARD_WITHOUT_A_TURN (that words were heard wakes nobody who waits for it)
 * Defect: -DLOSSES=0 -DRESTARTS=0 -DWAITER_IS_FORGOTTEN (data that waits behind words is not looked at when these are said)
 */
#define N        4
#define WINDOW   2
#define CAPACITY 4
#ifndef MODULUS
#define MODULUS 4
#endif

#ifdef NO_DATA
#define SENT true
#else
#define SENT false
#endif

#define END    2 /* of the endpoint FORMER */
#define ANSWER 3 /* of the endpoint NEXT */
#define FORMER 10
#define NEXT   11
#define NOBODY 0

chan words = [CAPACITY] of { byte, byte, byte };   /* tag, number, which word, or whose data it is */
chan answers = [CAPACITY] of { byte, byte };       /* tag, number */
byte n_losses = LOSSES, n_restarts = RESTARTS;

byte tag = 1, queued, said, known, repeated = 255; /* who speaks */
bool former_sent = SENT, next_sent = SENT, waiting, attention;
byte peer_tag, taken, bound = FORMER;              /* who listens */

#ifdef END_IS_OVERTAKEN
#define BEHIND_END false
#else
#define BEHIND_END (said + 1 == ANSWER && known < END)
#endif
#define WORDS_WAIT (said < queued && (said - known == WINDOW || BEHIND_END)) /* ns_waits() */

inline put(n, which)
{
	if
	:: n_losses -> n_losses--
	:: nfull(words) -> words!tag, n, which
	:: full(words) -> skip /* no buffer */
	fi
}

inline transmit(n)
{
	put(n % MODULUS, n)
}

inline repeat()
{
	at = known;
	do
	:: at < said -> at++; transmit(at)
	:: at == said -> at = 0; break
	od
}

/* ns_flush() */
inline flush()
{
	do
	:: said < queued && !WORDS_WAIT && nfull(words) -> said++; transmit(said)
	:: else -> break
	od
}

/* rpr_send() of the next endpoint */
inline try_data()
{
	flush();
	if
#ifndef ANSWER_IS_OVERTAKEN
	:: said < queued || full(words) -> waiting = true; attention = true
	:: said == queued && nfull(words) ->
#else
	:: full(words) -> waiting = true; attention = true
	:: nfull(words) ->
#endif
		next_sent = true;
		put(0, NEXT)
	fi
}

/* link_attend(): what is left needs another turn, if words do not wait for the peer. */
inline turn()
{
	attention = false;
	flush();
#ifndef WAITER_IS_FORGOTTEN
	if
	:: waiting && !WORDS_WAIT && nfull(words) -> waiting = false; try_data()
	:: else
	fi;
	attention = !WORDS_WAIT && (said < queued || waiting)
#else
	attention = !WORDS_WAIT && said < queued
#endif
}

inline begin()
{
	tag++;
	queued = 0;
	said = 0;
	known = 0;
	repeated = 255;
	former_sent = SENT;
	next_sent = SENT;
	waiting = false;
	attention = false;
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
	:: atomic { queued < N -> queued++; attention = true }
	:: atomic { attention && nfull(words) -> turn() }
	:: atomic { !former_sent && queued < END && nfull(words) -> former_sent = true; put(0, FORMER) }
	:: atomic { queued >= ANSWER && !next_sent && !waiting -> try_data() }
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
			:: n > 0 && n <= said - known ->
				known = known + n;
#ifndef HEARD_WITHOUT_A_TURN
				attention = true
#endif
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

/* What a word that is taken does to the endpoint here. */
inline take()
{
	if
	:: taken == END -> assert(bound == FORMER); bound = NOBODY
	:: taken == ANSWER -> assert(bound != FORMER); bound = NEXT
	:: else
	fi
}

active proctype listens()
{
	byte t, n, which;

end:
	do
	:: atomic { words?t, n, which ->
		if
		:: which > N && peer_tag && peer_tag != t -> skip /* late */
		:: which > N && (!peer_tag || peer_tag == t) ->
			assert(bound == which || (bound == NOBODY && which == NEXT));
			bound = which
#ifdef NO_TAG
		:: n_losses > 200 -> skip
#else
		:: which <= N && peer_tag && peer_tag != t -> /* broken: both begin anew */
			peer_tag = 0;
			taken = 0;
			bound = FORMER;
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
				assert(which == taken);
				take()
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
	assert(said == N && known == N && taken == N && peer_tag == tag);
	assert(next_sent && bound == NEXT)
}
