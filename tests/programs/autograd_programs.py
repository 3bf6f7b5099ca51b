# %%
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i):
        r=i.exp(); ctx.save_for_backward(r); return r
    @staticmethod
    def backward(ctx, g):
        r,=ctx.saved_tensors; return g*r
x=torch.tensor([1.,2.],requires_grad=True)
y=Exp.apply(x); print(y, y.grad_fn, type(y.grad_fn).__name__, y.grad_fn.name(), y.grad_fn.next_functions)
y.sum().backward(); print(x.grad)
try: y.sum().backward()
except RuntimeError as e: print(e)
g,=torch.autograd.grad(Exp.apply(x).sum(), x, create_graph=True); print(g)
# %%
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(i): return i.exp()
    @staticmethod
    def setup_context(ctx, inputs, output): ctx.save_for_backward(output)
    @staticmethod
    def backward(ctx, g):
        r,=ctx.saved_tensors; return g*r
x=torch.tensor([1.,2.],requires_grad=True)
print(torch.autograd.grad(torch.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)[0].sum(), x))
from torch.func import grad, vmap, jvp
print(grad(lambda t: Exp.apply(t).sum())(torch.tensor([1.,2.])))
print(grad(grad(lambda t: Exp.apply(t)))(torch.tensor(1.)))
try: vmap(Exp.apply)(torch.ones(3))
except RuntimeError as e: print(e)
# %%
class E2(torch.autograd.Function):
    generate_vmap_rule=True
    @staticmethod
    def forward(i, j): return i*j.sin()
    @staticmethod
    def setup_context(ctx, inputs, output): ctx.save_for_backward(*inputs)
    @staticmethod
    def backward(ctx, g):
        i,j=ctx.saved_tensors; return g*j.sin(), g*i*j.cos()
from torch.func import grad, vmap, jvp
a=torch.arange(3.); b=torch.tensor(2.)
print(vmap(E2.apply,(0,None))(a,b))
print(vmap(grad(lambda p,q: E2.apply(p,q)),(0,None))(a,b))
print(vmap(grad(lambda p,q: E2.apply(p,q),argnums=1),(0,None))(a,b))
print(grad(lambda q: vmap(E2.apply,(0,None))(a,q).sum())(b))
# %%
class M(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, k):
        ctx.k=k; ctx.save_for_backward(x,y); return x*y, x+y*k
    @staticmethod
    def backward(ctx, g1, g2):
        print(ctx.needs_input_grad, g1, g2)
        x,y=ctx.saved_tensors
        return g1*y+g2, g1*x+g2*ctx.k, None
x=torch.tensor(2.,requires_grad=True); y=torch.tensor(3.)
a,b=M.apply(x,y,5)
print(a,b,y.requires_grad)
a.backward(); print(x.grad)
# %%
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y): return x*y
    @staticmethod
    def backward(ctx, g): return g
x=torch.tensor(2.,requires_grad=True)
Bad.apply(x,3).backward()
# %%
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x*2
    @staticmethod
    def backward(ctx, g): return torch.ones(7)
x=torch.ones(3,requires_grad=True)
Bad.apply(x).sum().backward()
# %%
class Inp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2); ctx.mark_dirty(x); return x
    @staticmethod
    def backward(ctx, g): return g*2
x=torch.ones(3,requires_grad=True); z=x*1
w=Inp.apply(z); print(w is z, z.grad_fn, z)
w.sum().backward(); print(x.grad)
# %%
class Nd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        i=x.argmax(); ctx.mark_non_differentiable(i); return x*2, i
    @staticmethod
    def backward(ctx, g, gi):
        print(g, gi); return g*2
x=torch.tensor([1.,3.,2.],requires_grad=True)
a,i=Nd.apply(x); print(a,i); a.sum().backward(); print(x.grad)
# %%
from torch.autograd.function import once_differentiable
class O(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): ctx.save_for_backward(x); return x*x
    @staticmethod
    @once_differentiable
    def backward(ctx, g): x,=ctx.saved_tensors; return g*2*x
x=torch.tensor(3.,requires_grad=True)
g,=torch.autograd.grad(O.apply(x),x,create_graph=True); print(g.detach())
g.backward()
# %%
class Id(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x
    @staticmethod
    def backward(ctx, g): return -g
x=torch.ones(2,requires_grad=True)
y=Id.apply(x); print(y is x, y); y.sum().backward(); print(x.grad)
# %%
class St(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y): ctx.set_materialize_grads(False); return x*2, y*3
    @staticmethod
    def backward(ctx, a, b): print(a,b); return (None if a is None else a*2), (None if b is None else b*3)
x=torch.ones(2,requires_grad=True); y=torch.ones(2,requires_grad=True)
a,b=St.apply(x,y); a.sum().backward(); print(x.grad,y.grad)
# %%
x=torch.tensor([1.,2.],requires_grad=True)
y=x*x
h=y.register_hook(lambda g: print('y',g) or g*10)
x.register_hook(lambda g: print('x',g))
y.sum().backward(); print(x.grad); h.remove()
x.grad=None; (x*x).sum().backward(); print(x.grad)
# %%
x=torch.tensor([1.,2.],requires_grad=True)
x.register_post_accumulate_grad_hook(lambda p: print('post',p.grad))
(x*3).sum().backward()
y=x*2; y.grad_fn.register_hook(lambda gi,go: print('node',gi,go)); y.grad_fn.register_prehook(lambda go: print('pre',go)); y.sum().backward()
# %%
x=torch.tensor(2.,requires_grad=True); y=torch.tensor(3.,requires_grad=True)
z=x*y; print(z.grad_fn._saved_self, z.grad_fn._saved_other)
w=z.exp(); print(w.grad_fn._saved_result)
print(torch.autograd.graph.get_gradient_edge(z).output_nr, z.grad_fn.metadata)
# %%
x=torch.tensor([1.,2.],requires_grad=True)
print(torch.autograd.grad(x.sum(), x, torch.tensor(2.)))
try: torch.autograd.grad(x*2, x)
except RuntimeError as e: print(e)
try: torch.autograd.grad((x*2).sum(), torch.ones(1))
except RuntimeError as e: print(e)
y=torch.ones(2,requires_grad=True)
try: torch.autograd.grad((x*2).sum(), y)
except RuntimeError as e: print(e)
print(torch.autograd.grad((x*2).sum(), y, allow_unused=True), torch.autograd.grad((x*2).sum(), [x,y], materialize_grads=True))
try: torch.autograd.grad((x*2), x, torch.ones(3))
except RuntimeError as e: print(e)
print(torch.autograd.grad(x*x, x, torch.eye(2), is_grads_batched=True))
# %%
x=torch.tensor([1.,2.],requires_grad=True)
y=(x*x).sum(); y.backward(retain_graph=True); y.backward(); print(x.grad)
try: y.backward()
except RuntimeError as e: print(e)
# %%
x=torch.tensor([1.,2.],requires_grad=True)
w=torch.tensor([3.,4.],requires_grad=True)
y=x*w; y.backward(torch.ones(2), inputs=[x]); print(x.grad,w.grad)
# %%
x=torch.tensor([1.,2.],requires_grad=True)
y=x.exp(); y.add_(1)
try: y.sum().backward()
except RuntimeError as e: print(str(e)[:260])
# %%
with torch.autograd.detect_anomaly():
    x=torch.tensor(0.,requires_grad=True)
    y=torch.log(x*0)*0
    try: y.backward()
    except RuntimeError as e: print(e)
# %%
packed=[]
def pack(t): packed.append(tuple(t.shape)); return t.numpy()
def unpack(a): return torch.from_numpy(a)
x=torch.ones(3,requires_grad=True)
with torch.autograd.graph.saved_tensors_hooks(pack,unpack): y=(x*x).exp().sum()
y.backward(); print(sorted(packed), x.grad)
# %%
from torch.utils.checkpoint import checkpoint
x=torch.ones(3,requires_grad=True)
f=lambda t: (t.sin()*t).exp()
for r in (True,False):
    x.grad=None; checkpoint(f,x,use_reentrant=r).sum().backward(); print(x.grad)
torch.manual_seed(1)
d=torch.nn.functional.dropout
x.grad=None; y=checkpoint(lambda t: d(t*t,0.5), x, use_reentrant=False); y.sum().backward(); print(y.detach(), x.grad)
# %%
import torch.autograd.forward_ad as fwAD
with fwAD.dual_level():
    d=fwAD.make_dual(torch.tensor([1.,2.]),torch.tensor([1.,0.]))
    y=d.sin()*d
    p,t=fwAD.unpack_dual(y); print(p,t)
    print(d)
# %%
from torch.autograd.functional import jacobian, hessian, vjp, jvp, hvp, vhp
f=lambda x,y: (x*y).sum(0)**2
x=torch.tensor([[1.,2.],[3.,4.]]); y=torch.ones(2,2)
print(jacobian(f,(x,y)))
print(jacobian(f,(x,y),vectorize=True))
print(hessian(lambda x: (x**3).sum(), x))
print(vjp(f,(x,y),torch.ones(2))); print(jvp(f,(x,y),(x,y)))
print(hvp(lambda x:(x**3).sum(), x, torch.ones(2,2))); print(vhp(lambda x:(x**3).sum(), x, torch.ones(2,2)))
# %%
from torch.autograd import gradcheck, gradgradcheck
x=torch.randn(3,dtype=torch.float64,requires_grad=True)
print(gradcheck(lambda t: t.sin()*t, x), gradgradcheck(lambda t: t.sin()*t, x))
# %%
from torch.func import vmap, grad, jacrev, vjp, jvp
for bad in (lambda: vmap(torch.sin)(3), lambda: vmap(torch.sin,in_dims=2)(torch.ones(2)), lambda: vmap(torch.mul)(torch.ones(2),torch.ones(3)),
   lambda: grad(torch.sin)(torch.ones(2)), lambda: vmap(lambda x: x.item())(torch.ones(2)), lambda: vmap(lambda x: x if x>0 else -x)(torch.ones(2)),
   lambda: vmap(torch.sin,in_dims=(0,0))(torch.ones(2)), lambda: vmap(lambda x: 3)(torch.ones(2)), lambda: grad(lambda x: 3)(torch.ones(())),
   lambda: jvp(torch.sin,(torch.ones(2),),(torch.ones(3),)), lambda: vmap(torch.sin)(), lambda: vmap(torch.randn_like)(torch.ones(2))):
    try: print(bad())
    except Exception as e: print(type(e).__name__, str(e)[:150])
# %%
from torch.func import vmap
x=torch.arange(6.).reshape(2,3)
print(vmap(lambda r: r.sum(), in_dims=1)(x)); print(vmap(lambda r: (r, r*2), out_dims=(0,1))(x))
print(vmap(vmap(torch.mul,(0,None)),(None,0))(torch.arange(2.),torch.arange(3.)))
print(vmap(lambda d: {'a': d['x']*2}, in_dims=({'x':0},))({'x':x}))
print(vmap(lambda a: a, chunk_size=1)(x))
# %%
x=torch.tensor([1.,2.,3.],requires_grad=True)
y=x*2
y[0]=5.; print(y, y.grad_fn); y.sum().backward(); print(x.grad)
# %%
x=torch.tensor([1.,2.,3.],requires_grad=True)
y=x.clone(); v=y[1:]; v.mul_(3); print(y,v,y.grad_fn.name(),v.grad_fn.name()); (y*y).sum().backward(); print(x.grad)
# %%
x=torch.ones(2,requires_grad=True)
for f in (lambda: x.add_(1), lambda: x[0].add_(1), lambda: x.__setitem__(0,1.)):
    try: f()
    except RuntimeError as e: print(e)
with torch.no_grad(): x.add_(1)
print(x, x._version)
# %%
x=torch.tensor([1.,2.],requires_grad=True); y=x*2
print(y.is_leaf,x.is_leaf,y.retains_grad); y.retain_grad(); y.sum().backward(); print(y.grad,y.retains_grad)
z=(x*3); print(z.grad)
# %%
print(torch.autograd.Variable(torch.ones(2),requires_grad=True), isinstance(torch.ones(1),torch.autograd.Variable))
@torch.no_grad()
def f(x): return x*2
print(f(torch.ones(1,requires_grad=True)).requires_grad, torch.is_grad_enabled())
with torch.inference_mode(): a=torch.ones(2); print(a.is_inference(), torch.is_inference_mode_enabled())
with torch.set_grad_enabled(False): print(torch.is_grad_enabled())
# %%
x=torch.tensor(1.+2.j,requires_grad=True); y=(x*x.conj()).real; y.backward(); print(x.grad)
x=torch.tensor(1.+2.j,requires_grad=True); (x.exp()*x).abs().backward(); print(x.grad)
x=torch.tensor([1.,2.],requires_grad=True); (x*torch.tensor([1j,2.+1j])).abs().sum().backward(); print(x.grad)
# %%
x=torch.tensor([1.,2.],requires_grad=True)
w=x*2; z=w*w; w.add_(1)
try: z.sum().backward()
except RuntimeError as e: print(str(e)[:200])
# %%
# x[0] *= 2 differentiates rightly, and so does every view
x=torch.tensor([1.,2.,3.],requires_grad=True)
y=x*1; y[0]*=2; (y*y).sum().backward(); print(x.grad)
x.grad=None; y=x*1; v=y.view(3,1); v[1]=7.; y[2]*=v[0,0].clone(); print(y); y.sum().backward(); print(x.grad)
# %%
from torch.func import grad, vmap, jvp, vjp, jacrev, jacfwd, hessian
f=lambda x: (x.sin()*x*x).sum()
x=torch.tensor([1.,2.,3.],dtype=torch.float64); v=torch.tensor([1.,0.,2.],dtype=torch.float64)
print(grad(f)(x)); print(jvp(f,(x,),(v,)))
print(jvp(grad(f),(x,),(v,))[1]); print(grad(lambda z: jvp(f,(z,),(v,))[1])(x)); print(grad(lambda z: (grad(f)(z)*v).sum())(x))
print(jvp(lambda z: jvp(f,(z,),(v,))[1],(x,),(v,))[1])
print(grad(grad(grad(torch.sin)))(torch.tensor(0.5)))
print(hessian(f)(x)); print(jacrev(jacrev(f))(x)); print(jacrev(jacfwd(f))(x)); print(jacfwd(jacfwd(f))(x))
# %%
# no perturbation confusion
from torch.func import grad, jvp
one=torch.tensor(1.)
print(grad(lambda a: a*grad(lambda b: a)(one))(one), grad(lambda a: a*grad(lambda b: a*b)(one))(torch.tensor(3.)))
print(jvp(lambda a: a*jvp(lambda b: a*b,(one,),(one,))[1], (torch.tensor(3.),),(one,)))
# %%
# transforms and the tape of the outside
from torch.func import grad, jvp
w=torch.tensor(2.,requires_grad=True); x=torch.tensor([1.,2.,3.])
g=grad(lambda z: (z*w).sin().sum())(x); print(g.requires_grad); g.sum().backward(); print(w.grad); w.grad=None
h=jvp(grad(lambda z: (z*w).sin().sum()),(x,),(torch.ones(3),))[1]; h.sum().backward(); print(w.grad)
# %%
# no_grad inside and outside of a transform
from torch.func import grad
def f(x):
    with torch.no_grad(): c=x**2
    return x-c
print(grad(f)(torch.tensor(3.)))
with torch.no_grad(): print(grad(lambda x: x**3)(torch.tensor(2.)), torch.is_grad_enabled())
# %%
# per-sample gradients
from torch.func import grad, vmap, functional_call
torch.manual_seed(0)
W=torch.randn(3,2); b=torch.randn(2); X=torch.randn(4,3); Y=torch.tensor([0,1,1,0])
def loss(W,b,x,y): return torch.nn.functional.cross_entropy((x@W+b).unsqueeze(0), y.unsqueeze(0))
gW,gb=vmap(grad(loss,argnums=(0,1)),(None,None,0,0))(W,b,X,Y); print(gW.shape, gW[1], gb)
lin=torch.nn.Linear(3,2); params={k:v.detach() for k,v in lin.named_parameters()}
print({k:v.shape for k,v in vmap(grad(lambda p,x: functional_call(lin,p,(x,)).sum()),(None,0))(params,X).items()})
# %%
from torch.func import vmap
for mode in ('same','different'):
    torch.manual_seed(0); r=vmap(lambda x: x+torch.rand(2), randomness=mode)(torch.zeros(3)); print(r)
# %%
from torch.func import jacrev, jacfwd, vjp, grad_and_value, linearize
x=torch.tensor([1.,2.]); y=torch.tensor([3.,4.])
print(jacrev(lambda a,b: (a*b, a.sum()), argnums=(0,1))(x,y)); print(jacfwd(lambda a: {'s': a*a})(x))
print(jacrev(lambda a: (a*a, a), has_aux=True)(x)); print(grad_and_value(lambda a: ((a*a).sum(), a), has_aux=True)(x))
o,f=vjp(lambda a,b: (a*b).sum(), x, y); print(o, f(torch.tensor(2.)))
o,f=linearize(torch.sin, x); print(f(x))
print(torch.func.grad(lambda d: (d['a']*d['b']).sum())({'a':x,'b':y}))
