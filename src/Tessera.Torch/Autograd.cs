using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera;

public unsafe partial class Tensor
{
    /// <summary>Whether gradients flow to this tensor. Can be set on leaves.</summary>
    public bool RequiresGrad
    {
        get => (Info.Flags & 1) != 0;
        set
        {
            Dispatcher.Check(Imports.SetRequiresGrad(Handle, value ? 1 : 0));
            GC.KeepAlive(this);
        }
    }

    /// <summary>The gradient that backward passes have accumulated; null before the first pass.</summary>
    public Tensor? Grad
    {
        get
        {
            Dispatcher.Check(Imports.GetGradient(Handle, out var gradient));
            GC.KeepAlive(this);
            return gradient == 0 ? null : new Tensor(gradient);
        }
        set
        {
            Dispatcher.Check(Imports.SetGradient(Handle, value?.Handle ?? 0));
            GC.KeepAlive(value);
            GC.KeepAlive(this);
        }
    }

    /// <summary>Computes the gradients of this tensor with respect to all its leaves and adds them to the leaves' gradients.</summary>
    /// <param name="gradient">Gradient of this tensor. Without it, the tensor must have one element, and the gradient is 1.</param>
    /// <param name="retainGraph">Whether another backward pass over the same graph will follow.</param>
    /// <param name="createGraph">Whether the gradients are to be differentiable themselves.</param>
    public void Backward(Tensor? gradient = null, bool retainGraph = false, bool createGraph = false) =>
        Autograd.Backward([this], gradient is null ? null : [gradient], retainGraph, createGraph);

    /// <summary>Adds a hook that sees, and may replace, the gradient of this tensor. Returning null keeps the gradient.</summary>
    /// <returns>An object whose disposal removes the hook.</returns>
    public IDisposable OnGradient(Func<Tensor, Tensor?> hook)
    {
        var context = GCHandle.Alloc(hook);
        // On failure the shim has released the context already: it owns it from the first instruction on.
        Dispatcher.Check(Imports.AddHook(Handle, &Autograd.Hooked, &Callback.Release, (void*)GCHandle.ToIntPtr(context), out var id));
        GC.KeepAlive(this);
        return new GradientHook(this, id);
    }

    private sealed class GradientHook(Tensor tensor, uint id) : IDisposable
    {
        private bool removed;

        public void Dispose()
        {
            if (removed || !tensor.IsAlive)
                return;
            removed = true;
            Dispatcher.Check(Imports.RemoveHook(tensor.Handle, id));
            GC.KeepAlive(tensor);
        }
    }
}

/// <summary>Gradients of several tensors at once.</summary>
public static unsafe class Autograd
{
    /// <summary>Computes the gradients of the outputs with respect to all leaves and adds them to the leaves' gradients.</summary>
    /// <param name="outputs">The tensors to differentiate.</param>
    /// <param name="gradients">One gradient for each output; a null entry, or null for the whole list, stands for 1.</param>
    /// <param name="retainGraph">Whether another pass over the graph will follow.</param>
    /// <param name="createGraph">Whether the gradients are to be differentiable themselves.</param>
    public static void Backward(
        IReadOnlyList<Tensor> outputs,
        IReadOnlyList<Tensor?>? gradients = null,
        bool retainGraph = false,
        bool createGraph = false
    )
    {
        using var outs = new TensorList(outputs);
        using var grads = new TensorList(gradients ?? new Tensor?[outputs.Count]);
        Require(outputs.Count == grads.Count, $"{outputs.Count} outputs need as many gradients, not {grads.Count}");
        Tensor.FreeQueued();
        Dispatcher.Check(
            Imports.Backward(outs.Handles, outs.Count, grads.Handles, retainGraph || createGraph ? 1 : 0, createGraph ? 1 : 0)
        );
        GC.KeepAlive(outputs);
        GC.KeepAlive(gradients);
    }

    /// <summary>Gradients of the outputs with respect to the inputs. The gradients of the leaves stay unchanged.</summary>
    /// <param name="outputs">The tensors to differentiate.</param>
    /// <param name="inputs">The tensors to differentiate with respect to.</param>
    /// <param name="gradients">One gradient for each output; null stands for 1.</param>
    /// <param name="retainGraph">Whether another pass over the graph will follow.</param>
    /// <param name="createGraph">Whether the results are to be differentiable themselves.</param>
    /// <param name="allowUnused">Whether an input may have no influence on the outputs; the result for such an input is null.</param>
    public static Tensor?[] Grad(
        IReadOnlyList<Tensor> outputs,
        IReadOnlyList<Tensor> inputs,
        IReadOnlyList<Tensor?>? gradients = null,
        bool retainGraph = false,
        bool createGraph = false,
        bool allowUnused = false
    )
    {
        using var outs = new TensorList(outputs);
        using var ins = new TensorList(inputs);
        using var grads = new TensorList(gradients ?? new Tensor?[outputs.Count]);
        Require(outputs.Count == grads.Count, $"{outputs.Count} outputs need as many gradients, not {grads.Count}");
        var handles = new nint[inputs.Count];
        Tensor.FreeQueued();
        fixed (nint* results = handles)
            Dispatcher.Check(
                Imports.Grad(
                    outs.Handles,
                    outs.Count,
                    ins.Handles,
                    ins.Count,
                    grads.Handles,
                    retainGraph || createGraph ? 1 : 0,
                    createGraph ? 1 : 0,
                    allowUnused ? 1 : 0,
                    results
                )
            );
        GC.KeepAlive(outputs);
        GC.KeepAlive(inputs);
        GC.KeepAlive(gradients);
        return Array.ConvertAll(handles, h => h == 0 ? null : new Tensor(h));
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
            throw new ArgumentException(message);
    }

    [UnmanagedCallersOnly]
    internal static int Hooked(void* context, nint gradient, nint* replacement) =>
        Callback.Guard(context, gradient, (nint)replacement, static (target, gradient, replacement) =>
        {
            if (gradient == 0)
                return;
            using var scope = new Scope();
            Imports.TensorRetain(gradient);
            if (((Func<Tensor, Tensor?>)target)(new Tensor(gradient)) is not { } result)
                return;
            Imports.TensorRetain(result.Handle);
            *(nint*)replacement = result.Handle;
        });
}
