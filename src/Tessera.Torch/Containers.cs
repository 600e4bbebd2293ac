using System.Collections;
using System.Globalization;

namespace Tessera;

/// <summary>Modules in a row, named 0, 1, 2, ... in the state dict.</summary>
public sealed class ModuleList<T> : Module, IReadOnlyList<T>
    where T : Module
{
    private readonly List<T> modules;

    /// <summary>A list of the given modules.</summary>
    public ModuleList(params IEnumerable<T> modules) => this.modules = [.. modules];

    /// <inheritdoc/>
    public int Count => modules.Count;

    /// <inheritdoc/>
    public T this[int index] => modules[index];

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator() => modules.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        for (var i = 0; i < modules.Count; i++)
            members.Add(i.ToString(CultureInfo.InvariantCulture), modules[i]);
    }
}

/// <summary>Layers applied one after another, named 0, 1, 2, ... (or by given names) in the state dict.</summary>
public sealed class Sequential : Layer
{
    private readonly (string Name, Layer Layer)[] layers;

    /// <summary>The given layers in a row.</summary>
    public Sequential(params IEnumerable<Layer> layers) =>
        this.layers = [.. layers.Select((layer, i) => (i.ToString(CultureInfo.InvariantCulture), layer))];

    /// <summary>The given layers in a row, under names of their own.</summary>
    public Sequential(params IEnumerable<(string Name, Layer Layer)> layers) => this.layers = [.. layers];

    /// <summary>Number of layers.</summary>
    public int Count => layers.Length;

    /// <summary>One of the layers.</summary>
    public Layer this[int index] => layers[index].Layer;

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (name, layer) in layers)
            members.Add(name, layer);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => layers.Aggregate(input, (x, next) => next.Layer.Call(x));
}
