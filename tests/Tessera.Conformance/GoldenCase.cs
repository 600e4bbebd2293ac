using System.Reflection;

namespace Tessera.Conformance;

/// <summary>Names the case of golden files that a class runs.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
internal sealed class CaseAttribute(string name) : Attribute
{
    public string Name { get; } = name;

    /// <summary>The case is about files or the preparation of data, which are the processor's whatever device models are on.</summary>
    public bool OnCpu { get; init; }

    /// <summary>The case takes optimiser steps between forward passes: never under autocast, which keeps copies of weights.</summary>
    public bool Steps { get; init; }
}

/// <summary>A procedure that computes what a kind of golden files records. A class per case, found by its attribute.</summary>
internal abstract class GoldenCase
{
    /// <summary>All cases by name.</summary>
    public static IReadOnlyDictionary<string, (Type Type, CaseAttribute Case)> All { get; } =
        Assembly
            .GetExecutingAssembly()
            .GetTypes()
            .SelectMany(type => type.GetCustomAttributes<CaseAttribute>(), (type, attribute) => (type, attribute))
            .ToDictionary(c => c.attribute.Name, c => (c.type, c.attribute));

    /// <summary>Builds, runs and puts out; gradients follow by themselves where the file says what is differentiated.</summary>
    public abstract void Run(GoldenRun run);
}
