using System.Collections.Frozen;
using System.Reflection;

namespace Tessera.Data;

/// <summary>A transform that recipes may name.</summary>
/// <param name="Name">As recipes write it.</param>
/// <param name="Type">The record; the parameters of its one public constructor are the fields, in snake case.</param>
/// <param name="Summary">What it does, in a line.</param>
public sealed record TransformKind(string Name, Type Type, string Summary)
{
    /// <summary>The fields, in the order of the constructor; a recipe that gives a bare value means the first.</summary>
    public IReadOnlyList<ParameterInfo> Fields => Constructor.GetParameters();

    /// <summary>Makes the transform from values in the order of <see cref="Fields"/>.</summary>
    public Transform Create(params object?[] values) => (Transform)Constructor.Invoke(values);

    private ConstructorInfo Constructor => Type.GetConstructors().Single();
}

/// <summary>All transforms by the name that recipes use.</summary>
public static class Transforms
{
    /// <summary>Name to transform.</summary>
    public static IReadOnlyDictionary<string, TransformKind> Kinds { get; } = new TransformKind[]
    {
        new("crop", typeof(RandomCrop), "window at a random position of the padded image"),
        new("flip", typeof(RandomFlip), "left and right mirrored"),
        new("shift", typeof(RandomShift), "shift by whole pixels"),
    }.ToFrozenDictionary(kind => kind.Name);
}
