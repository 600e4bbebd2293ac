using System.ComponentModel;

namespace Tessera;

/// <summary>
/// A part of a model: parameters, buffers and other modules as fields, registered under the fields' names by a source
/// generator (declare the class <c>partial</c>).
/// </summary>
public abstract partial class Module
{
    /// <summary>A module of a class whose members are listed.</summary>
    /// <exception cref="InvalidOperationException">
    /// It has members as fields, but no list of them was generated: training would leave them as they are.
    /// </exception>
    protected Module() => Registration.CheckClass(GetType());

    /// <summary>Whether the module behaves as in training (dropout, batch statistics); true until <see cref="Train"/> changes it.</summary>
    public bool Training { get; private set; } = true;

    /// <summary>Lists the module's own members; written by the generator.</summary>
    /// <param name="members">Where they are listed.</param>
    [EditorBrowsable(EditorBrowsableState.Never)]
    protected virtual void ListMembers(Members members) { }

    private Members Own()
    {
        var members = Listed();
        Registration.CheckValues(this, Registered);
        return members;
    }

    private Members Listed()
    {
        var members = new Members();
        ListMembers(members);
        return members;
    }

    private HashSet<object> Registered()
    {
        var all = new HashSet<object>(ReferenceEqualityComparer.Instance) { this };
        var open = new Stack<Module>([this]);
        while (open.TryPop(out var module))
        {
            var own = module.Listed();
            all.UnionWith(own.Parameters.Select(p => p.Value));
            all.UnionWith(own.Buffers.Select(b => b.Value));
            foreach (var (_, child) in own.Children)
                if (all.Add(child))
                    open.Push(child);
        }
        return all;
    }

    /// <summary>The modules directly inside this one.</summary>
    public IReadOnlyList<(string Name, Module Module)> Children => Own().Children;

    /// <summary>This module (under the empty name) and all modules inside it, in the order of the state dict; each once.</summary>
    public IEnumerable<(string Name, Module Module)> NamedModules() =>
        NamedModules("", new HashSet<Module>(ReferenceEqualityComparer.Instance));

    private IEnumerable<(string Name, Module Module)> NamedModules(string prefix, HashSet<Module> seen)
    {
        if (!seen.Add(this))
            yield break;
        yield return (prefix, this);
        foreach (var (name, child) in Own().Children)
        foreach (var found in child.NamedModules(Join(prefix, name), seen))
            yield return found;
    }

    /// <summary>All parameters with their names, each tensor once (under its first name).</summary>
    public IEnumerable<(string Name, Parameter Parameter)> NamedParameters()
    {
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        return Entries("", _ => true).Where(e => e.Tensor is Parameter && seen.Add(e.Tensor)).Select(e => (e.Name, (Parameter)e.Tensor));
    }

    /// <summary>All parameters, each once.</summary>
    public IEnumerable<Parameter> Parameters() => NamedParameters().Select(p => p.Parameter);

    /// <summary>All buffers with their names, including buffers outside the state dict.</summary>
    public IEnumerable<(string Name, ModuleBuffer Buffer)> NamedBuffers() =>
        Entries("", _ => true).Where(e => e.Tensor is ModuleBuffer).Select(e => (e.Name, (ModuleBuffer)e.Tensor));

    /// <summary>Number of scalars in all parameters, shared ones counted once.</summary>
    public long ParameterCount => Parameters().Sum(p => p.Elements);

    /// <summary>
    /// Everything that a checkpoint holds: parameters and persistent buffers by name, in the order in which PyTorch lists them
    /// (a module's parameters, its buffers, then its children). Shared tensors appear under each of their names. The tensors
    /// are the module's own, not copies.
    /// </summary>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in Entries("", buffer => buffer.Persistent))
            result.Add(name, tensor);
        return result;
    }

    private IEnumerable<(string Name, Tensor Tensor)> Entries(string prefix, Func<ModuleBuffer, bool> wanted)
    {
        var own = Own();
        foreach (var (name, parameter) in own.Parameters)
            yield return (Join(prefix, name), parameter);
        foreach (var (name, buffer) in own.Buffers)
            if (wanted(buffer))
                yield return (Join(prefix, name), buffer);
        foreach (var (name, child) in own.Children)
        foreach (var entry in child.Entries(Join(prefix, name), wanted))
            yield return entry;
    }

    private static string Join(string prefix, string name) => prefix.Length == 0 ? name : $"{prefix}.{name}";

    /// <summary>Copies values into the module's tensors by name.</summary>
    /// <param name="state">Values by name; types and devices are converted.</param>
    /// <param name="strict">Whether missing and unexpected names are errors. Different shapes always are.</param>
    /// <returns>The missing and the unexpected names.</returns>
    /// <exception cref="StateDictException">Names or shapes do not fit; it lists all of them, and nothing was changed.</exception>
    public StateDictReport LoadStateDict(IReadOnlyDictionary<string, Tensor> state, bool strict = true) =>
        LoadStateDict(state, strict, tensor => tensor.Shape, (tensor, value) => tensor.Copy_(value));

    /// <summary>Copies values of any kind into the module's tensors by name.</summary>
    internal StateDictReport LoadStateDict<T>(
        IReadOnlyDictionary<string, T> state,
        bool strict,
        Func<T, Shape> shape,
        Action<Tensor, T> copy
    )
    {
        var own = StateDict();
        var report = StateDictReport.Compare(own, state, shape);
        if (report.Mismatched.Count > 0 || (strict && !report.Complete))
            throw new StateDictException(GetType().Name, report);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var (name, tensor) in own)
            if (state.TryGetValue(name, out var value))
                copy(tensor, value);
        return report;
    }

    /// <summary>Switches this module and all inside it to training (or evaluation).</summary>
    public virtual void Train(bool training = true)
    {
        Training = training;
        foreach (var (_, child) in Own().Children)
            child.Train(training);
    }

    /// <summary>Switches to evaluation.</summary>
    public void Eval() => Train(false);

    /// <summary>Moves all parameters and buffers to a device, and converts floating-point ones to a type, in place.</summary>
    public void To(Device? device = null, DType? dtype = null)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var moved = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        foreach (var (_, tensor) in Entries("", _ => true))
        {
            if (!moved.Add(tensor))
                continue;
            var target = tensor.DType.IsFloat() ? dtype : null;
            if ((target ?? tensor.DType) == tensor.DType && (device is null || device == tensor.Device))
                continue;
            var converted = tensor.Detach().To(dtype: target, device: device);
            if (tensor is Parameter parameter)
                parameter.Replace(converted);
            else
                ((ModuleBuffer)tensor).Replace(converted);
        }
    }

    /// <summary>
    /// Changes the memory order of all parameters of four dimensions (the weights of convolutions of maps), in place. With channels
    /// last, convolutions take and return maps whose channels lie together, which suits the matrix units of a GPU.
    /// </summary>
    public void To(MemoryFormat format)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var parameter in Parameters().Where(p => p.Dim == 4))
            parameter.Replace(parameter.Detach().Contiguous(format));
    }

    /// <summary>Sets whether gradients flow to the parameters.</summary>
    public void RequireGrad(bool required)
    {
        foreach (var parameter in Parameters())
            parameter.RequiresGrad = required;
    }

    /// <summary>Drops the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters())
            parameter.Grad = null;
    }

    /// <summary>
    /// Whether <see cref="GradientCheckpointing"/> can be set: the module turns a tensor, or a tuple of tensors and plain values, into a
    /// tensor.
    /// </summary>
    public virtual bool SupportsGradientCheckpointing => false;

    /// <summary>
    /// Whether the module keeps nothing for the backward pass but its inputs: what it computed on the way is computed again
    /// there (Chen et al., 2016, arXiv:1604.06174). Memory falls, time rises by at most a forward pass; results are the same.
    /// Where <see cref="Taps"/> record from inside of it, it runs as usual.
    /// </summary>
    /// <exception cref="NotSupportedException">It cannot.</exception>
    public bool GradientCheckpointing
    {
        get;
        set =>
            field =
                !value || SupportsGradientCheckpointing
                    ? value
                    : throw new NotSupportedException(
                        $"{GetType().Name} does not support gradient checkpointing: it does not map a tensor to a tensor"
                    );
    }

    /// <summary>Records an intermediate under this module's path if a recording wants it; see <see cref="Taps"/>.</summary>
    /// <returns>The tensor itself.</returns>
    protected internal Tensor Record(string name, Tensor value)
    {
        Taps.Current?.Record(this, name, value);
        return value;
    }

    /// <summary>Whether someone asked for an intermediate that is not computed otherwise (attention weights).</summary>
    protected internal bool Wanted(string name) => Taps.Current is { } taps && taps.Wants(this, name);
}

/// <summary>A module with one input and one output.</summary>
public abstract class Module<TIn, TOut> : Module
{
    /// <inheritdoc/>
    public sealed override bool SupportsGradientCheckpointing => typeof(TOut) == typeof(Tensor) && CheckpointFunction<TIn>.Fits;

    /// <summary>Runs the module in a scope of its own, which frees all intermediate tensors when the call returns.</summary>
    public TOut Call(TIn input)
    {
        using var scope = Scope.OfCall();
        var output =
            GradientCheckpointing && Torch.GradEnabled && Taps.Current?.WantsInside(this) != true
                ? (TOut)(object)CheckpointFunction<TIn>.Run(this, given => (Tensor)(object)Forward(given)!, input)
                : Forward(input);
        if (output is Tensor tensor)
            Taps.Current?.Record(this, "", tensor);
        return scope.Return(output);
    }

    /// <summary>Computes the output.</summary>
    protected abstract TOut Forward(TIn input);
}

/// <summary>A module that turns a tensor into a tensor.</summary>
public abstract class Layer : Module<Tensor, Tensor>;
