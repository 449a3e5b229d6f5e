"""STUB."""
import time
import numpy as np
from scipy.optimize import linear_sum_assignment
from reorder_solver.core.windows import WindowsResult

def solve_windows(instance, backend="auto", time_limit=10.0, seed=0, threads=1, callback=None):
    t0=time.perf_counter()
    rng=np.random.default_rng(seed)
    lim={b.id:b.limit for b in instance.budgets}
    members={}
    for a in instance.accesses: members.setdefault(a.budget,[]).append(a)
    # fixed widths per access by greedy on each budget
    width={}
    for b,acc in members.items():
        items=[]
        for a in acc:
            assert len(a.parts)==1
            s=np.sort(a.parts[0].scores)[::-1]
            for r,v in enumerate(s): items.append((v/max(a.cost,1e-9),r,a))
        items.sort(key=lambda t:(-t[0],t[1]))
        left=lim[b]; w={a.id:0 for a in acc}
        for a in acc:
            w[a.id]=a.minimum; left-=a.cost*a.minimum
        cnt={a.id:0 for a in acc}
        for v,r,a in items:
            cnt[a.id]+=1
            if cnt[a.id]<=a.minimum: continue
            if w[a.id]>=(a.maximum if a.maximum is not None else 10**9): continue
            if a.cost<=left: w[a.id]+=1; left-=a.cost
        width.update(w)
    selected={}; total=0; ub=0
    for t in instance.tensors:
        acc=[a for a in instance.accesses if a.parts[0].tensor==t.id]
        C=t.channels
        S=np.array([np.asarray(a.parts[0].scores,dtype=float) for a in acc]).reshape(len(acc),C)
        W=[min(width[a.id],C) for a in acc]
        for s,w in zip(S,W): ub+=int(np.sort(s)[::-1][:w].sum())
        if not acc: continue
        free=[a.gather is not None for a in acc]
        L=C if t.live_limit is None else max(t.live_limit,max(W))
        def value(off):
            M=np.zeros((len(acc),C))
            for i,o in enumerate(off): M[i,o:o+W[i]]=1
            gain=S.T@M  # channel x position
            if t.fixed: order=np.arange(C)
            else:
                r,c=linear_sum_assignment(-gain); order=np.empty(C,int); order[c]=r
            return gain[order,np.arange(C)].sum(), order
        win=[i for i in range(len(acc)) if not (free[i] and L>=C)]
        off=[0]*len(acc)
        best=-1
        if win:
            for start in range(3):
                off=[int(rng.integers(0,max(1,L-W[i]+1))) if start else int(round((L-W[i])*k/max(1,len(acc)-1))) for k,i in enumerate(range(len(acc)))]
                v,o=value(off)
                improved=True
                while improved and time.perf_counter()-t0<time_limit:
                    improved=False
                    for i in win:
                        cands=set(np.linspace(0,L-W[i],9).astype(int).tolist())|{max(0,min(L-W[i],off[i]+d)) for d in (-8,-4,-2,-1,1,2,4,8)}
                        for c in cands:
                            if c==off[i]: continue
                            n=off.copy(); n[i]=c
                            nv,no=value(n)
                            if nv>v+1e-9: v,o,off,improved=nv,no,n,True
                if v>best: best,bo,boff=v,o,off
        for i,a in enumerate(acc):
            if i in win: sel=np.sort(bo[boff[i]:boff[i]+W[i]])
            else: sel=np.sort(np.argsort(-S[i],kind='stable')[:W[i]])
            selected[a.id]=(sel,); total+=int(S[i][sel].sum())
    return WindowsResult("feasible",total,max(ub,total),selected,{"total":time.perf_counter()-t0})
