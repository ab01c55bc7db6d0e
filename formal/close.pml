/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The close of an endpoint against sends of other threads: a sender finishes before the close begins,
 * or its send fails. Nothing is committed for an endpoint that is closed, nothing is written to the
 * memory of a connection that was freed, no reservation is lost, and nobody hangs.
 *
 * Source: src/core/send.c: enter claim control_waits reserve rpr_commit rpr_cancel still_there unused not_on_link
 * Source: src/core/endpoint.c: end endpoint_set_send endpoint_finish object_new object_put endpoint_device_down endpoint_device_up tell_end
 * Source: src/core/link.c: retire outstanding bury_incarnations link_bury rpr_link_up
 * Source: src/core/core.h: link_lock link_unlock
 *
 * One endpoint object, two links with a lock each. The owner binds the endpoint on link 0, then ends
 * the session, begins another or moves it (of a routed device) to the other link, closes the endpoint,
 * opens the next one in the same memory on the other link, and closes that, in this order or leaving
 * out what it likes. Meanwhile two threads reserve,
 * copy and commit (or cancel) with a handle that they got at some time, in steps as small as one load
 * or store; only what is done under a link's lock by one thread is not taken apart.
 *
 * Ghosts: `over` has a bit for each generation whose `closed` ran; `freed` for each incarnation.
 *
 * Data waits for the CREATE_ACK of its endpoint (`word`), which leaves some time after the bind or never.
 *
 * Abstracted: buffers and credit (formal/credit.pml), callbacks of the owner, other words.
 * Memory is sequentially consistent here: all but the first load of the link is under locks, and that
 * one is only believed when it is read again under the lock.
 *
 * Check:
 * Defect: -DFORGET_FIRST (a word that is not needed any more is forgotten before sends have ended)
 * Defect: -DANY_LINK (credit goes back to an endpoint under the lock of a link that it has left)
 * Defect: -DNO_RECHECK (the link is not looked at again under its lock)
 * Defect: -DNO_GENERATION (commit does not look at the generation)
 * Defect: -DUNLOCKED_CLOSE (the send part is changed without the lock)
 * Defect: -DNO_INCARNATION (commit does not look whether its connection is over)
 * Defect: -DBURY_AT_ONCE (a connection's memory is freed with buffers outstanding)
 * Defect: -DFREE_LINK (a link with a lock is freed before its node)
 */
#define N_THREADS 2
#define NOBODY    255
#define NONE      2 /* no link */
#define N_INC     4 /* incarnations: 0, 1 of link 0; 2, 3 of link 1 */

byte lock[2] = NOBODY;
bit link_freed[2];
byte incarnation[2];         /* + 1; 0: not up */
byte n_reserved[N_INC];
bit freed[N_INC], zombie[N_INC];

/* The endpoint object. */
byte e_link = NONE, generation = 1;
bit sendable, closing;
bit word;  /* its CREATE_ACK waits to be sent: no data before */
byte said; /* a bit for each generation: the ACK of this binding has left */
byte handle = 1; /* the generation that was given out last */
byte over; /* a bit for each generation */

bit woken; /* the owner is to look at its zombies */
byte n_done;

#define is_over(g)  ((over >> (g)) & 1)
#define has_said(g) ((said >> (g)) & 1)

inline take(l, me)
{
	atomic { lock[l] == NOBODY -> lock[l] = me };
	assert(!link_freed[l])
}

inline leave(l)
{
	lock[l] = NOBODY
}

proctype sender(byte me)
{
	byte l, g, inc, tries;
	bit ok;

	g = handle; /* its endpoint may have been closed by the time it is used */
again:
	tries++;
	/* enter() */
	do
	:: l = e_link;
		if
		:: l == NONE -> goto done
		:: l != NONE -> skip
		fi;
		assert(!link_freed[l]); /* link->lock is read */
		take(l, me);
#ifdef NO_RECHECK
		break
#else
		if
		:: e_link == l -> break
		:: e_link != l -> leave(l)
		fi
#endif
	od;
	/* claim(), reserve(), under the lock */
	atomic {
		ok = (generation == g && sendable && !word);
		if
		:: ok ->
			assert(incarnation[l] != 0);
			inc = incarnation[l] - 1;
			n_reserved[inc]++
		:: !ok
		fi;
		leave(l)
	};
	if
	:: !ok -> goto done
	:: ok -> skip
	fi;
	/* the copy, outside of the lock */
	assert(!freed[inc]);
	/* rpr_commit() or rpr_cancel() */
	take(l, me);
	atomic {
		assert(n_reserved[inc] > 0);
		n_reserved[inc]--;
		ok = 0;
		if
#ifndef NO_INCARNATION
		:: incarnation[l] != inc + 1 -> /* still_there(): the owner frees it */
			if
			:: n_reserved[inc] == 0 -> woken = 1
			:: n_reserved[inc] != 0
			fi
		:: incarnation[l] == inc + 1 ->
#else
		:: true ->
#endif
			if
#ifndef NO_GENERATION
			:: generation != g -> skip /* unused(): cancelled */
			:: generation == g && (e_link != l || !sendable) ->
				if /* unused(): its credit is given back */
#ifndef ANY_LINK
				:: e_link != l -> skip
				:: e_link == l ->
#else
				:: true ->
#endif
					assert(e_link == l) /* whose lock we have */
				fi
			:: generation == g && e_link == l && sendable ->
#else
			:: true ->
#endif
				ok = 1
			:: true -> skip /* or cancel */
			fi
		fi
	};
	if
	:: ok -> /* commit: into the rings of the incarnation, for the endpoint of the handle */
		assert(!freed[inc] && !is_over(g) && incarnation[l] == inc + 1 && has_said(g))
	:: !ok
	fi;
	leave(l);
	if
	:: tries < 2 -> goto again
	:: true
	fi;
done:
	n_done++
}

#define OWNER 9

/* endpoint_set_send(), and `quick` is not for links with locks */
inline set_send(new_link, new_sendable)
{
	locked = (e_link != NONE -> e_link : new_link);
#ifdef UNLOCKED_CLOSE
	locked = NONE;
#endif
	if
	:: locked != NONE -> take(locked, OWNER)
	:: locked == NONE
	fi;
	sendable = new_sendable;
	e_link = new_link;
	if
	:: locked != NONE -> leave(locked)
	:: locked == NONE
	fi
}

/* ns_word(), endpoint_bind(); then ns_flush(), now or never */
inline bind(l)
{
	word = 1;
	set_send(l, 1);
	if
	:: take(l, OWNER);
		leave(l);
		atomic { word = 0; said = said | (1 << generation) }
	:: true
	fi
}

inline bury()
{
	i = 0;
	do
	:: i == N_INC -> break
	:: i < N_INC ->
		if
		:: zombie[i] ->
			take(i / 2, OWNER); /* outstanding() */
			some = (n_reserved[i] != 0);
			leave(i / 2);
#ifdef BURY_AT_ONCE
			some = 0;
#endif
			if
			:: !some -> atomic { zombie[i] = 0; freed[i] = 1 }
			:: some
			fi
		:: !zombie[i]
		fi;
		i++
	od;
	i = 0
}

/* end_session(): endpoint_device_down(), then retire() */
inline down(l)
{
	if
	:: e_link == l && !closing ->
#ifdef FORGET_FIRST
		word = 0;
#endif
		take(l, OWNER);
		sendable = 0;
		leave(l);
		atomic { word = 0; said = said & (255 - (1 << generation)) }
		set_send(l, 0);
		set_send(NONE, 0)
	:: e_link != l || closing
	fi;
	take(l, OWNER);
	i = incarnation[l] - 1;
	incarnation[l] = 0;
	leave(l);
	atomic { zombie[i] = 1; i = 0 };
	bury()
}

inline up(l, inc)
{
	take(l, OWNER);
	incarnation[l] = inc + 1;
	leave(l)
}

/* rpr_ept_close() */
inline close()
{
	closing = 1;
	held = e_link;
#ifdef FORGET_FIRST
	word = 0;
#endif
#ifndef UNLOCKED_CLOSE
	if
	:: held != NONE -> take(held, OWNER)
	:: held == NONE
	fi;
#endif
	generation++;
#ifndef UNLOCKED_CLOSE
	if
	:: held != NONE -> leave(held)
	:: held == NONE
	fi;
#endif
	word = 0; /* tell_end(): ns_forget(), or DESTROY */
	set_send(NONE, 0);
	/* endpoint_finish(): `closed` gives the context back; object_put() */
	atomic { over = over | (1 << (generation - 1)); closing = 0 }
}

active proctype owner()
{
	byte i, locked = NONE, held = NONE;
	bit some;

	up(0, 0);
	up(1, 2);
	bind(0); /* opened */
	run sender(0);
	run sender(1);
	if
	:: /* the session ends and the next begins: bound anew */
		down(0);
		up(0, 1);
		set_send(0, 0);
		bind(0)
	:: /* the device is reached through another hub from now on */
		down(0);
		set_send(1, 0);
		bind(1)
	:: true
	fi;
	if
	:: /* closed; the next endpoint in the same memory, on the other link: object_new() clears
	    * all but link, quick and generation */
		close();
		handle = generation;
		sendable = 0;
		set_send(1, 0);
		bind(1)
	:: incarnation[0] != 0 -> down(0)
	:: true
	fi;
	if
	:: close()
	:: true
	fi;
	if
	:: incarnation[1] != 0 -> down(1)
	:: true
	fi;
#ifdef FREE_LINK
	/* link_bury() as if it had no lock */
	bury();
	atomic {
		if
		:: incarnation[0] == 0 && !zombie[0] && !zombie[1] && e_link != 0 -> link_freed[0] = 1
		:: else
		fi
	};
#endif
	do /* the loop sleeps, and is woken for zombies */
	:: atomic { woken -> woken = 0 } bury()
	:: n_done == N_THREADS && !woken -> break
	od
}

/* All memory came back, and no lock is held. */
active proctype quiet()
{
	byte i;
end:
	timeout;
	do
	:: i == N_INC -> break
	:: i < N_INC -> assert(n_reserved[i] == 0 && !zombie[i]); i++
	od;
	assert(n_done == N_THREADS && lock[0] == NOBODY && lock[1] == NOBODY)
}
