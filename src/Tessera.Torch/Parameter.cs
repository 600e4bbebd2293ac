namespace Tessera;

/// <summary>
/// A learned tensor: a leaf that accumulates gradients. It belongs to no scope, and keeps its identity when its module moves or changes
/// type.
/// </summary>
public sealed class Parameter : Tensor
{
    /// <summary>A parameter with the values of a tensor, which it shares memory with.</summary>
    public Parameter(Tensor values, bool requiresGrad = true)
        : base(Leaf(values, requiresGrad)) => Keep();

    /// <summary>An uninitialised parameter of float32; an initialiser gives it values.</summary>
    public Parameter(IntList shape)
        : base(Fresh(shape)) => Keep();

    private static nint Fresh(IntList shape)
    {
        using var scope = new Scope();
        return Leaf(Torch.Empty(shape), true);
    }

    private static nint Leaf(Tensor values, bool requiresGrad)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var leaf = values.Detach();
        leaf.RequiresGrad = requiresGrad;
        return leaf.Retain();
    }

    /// <summary>
    /// Replaces the values with the values of another tensor, also of another shape, type or device. The parameter becomes a new leaf
    /// without a gradient.
    /// </summary>
    internal void Replace(Tensor values)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var leaf = values.Detach();
        leaf.RequiresGrad = RequiresGrad;
        Become(leaf);
    }
}

/// <summary>A tensor that belongs to a module but is not learned: running statistics, tables, masks.</summary>
public sealed class ModuleBuffer : Tensor
{
    /// <summary>A buffer with the values of a tensor, which it shares memory with.</summary>
    /// <param name="values">The values.</param>
    /// <param name="persistent">Whether it is part of the state dict.</param>
    /// <param name="constant">Whether training leaves it as it is.</param>
    public ModuleBuffer(Tensor values, bool persistent = true, bool constant = false)
        : base(values.Retain())
    {
        (Persistent, Constant) = (persistent, constant);
        Keep();
    }

    /// <summary>Whether it is part of the state dict.</summary>
    public bool Persistent { get; }

    /// <summary>
    /// Whether training never changes it, as with a table of indices or a mask: there is no earlier value to go back to.
    /// </summary>
    public bool Constant { get; }

    /// <summary>Replaces the values with the values of another tensor.</summary>
    internal void Replace(Tensor values) => Become(values);
}

/// <summary>The name of a field in the state dict, where it is not the field's own in snake case.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class NameAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}

/// <summary>A field that is no part of the module: a teacher, a reference to a parent.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class NotRegisteredAttribute : Attribute;
