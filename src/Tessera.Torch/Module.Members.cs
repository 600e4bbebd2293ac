namespace Tessera;

/// <summary>The parameters, buffers and children of one module, by name, in the order of their fields.</summary>
public sealed class Members
{
    /// <summary>Learned tensors.</summary>
    public List<(string Name, Parameter Value)> Parameters { get; } = [];

    /// <summary>Other tensors.</summary>
    public List<(string Name, ModuleBuffer Value)> Buffers { get; } = [];

    /// <summary>Modules.</summary>
    public List<(string Name, Module Value)> Children { get; } = [];

    /// <summary>Adds a parameter; null is left out.</summary>
    public void Add(string name, Parameter? value)
    {
        if (value is not null)
            Parameters.Add((name, value));
    }

    /// <summary>Adds a buffer; null is left out.</summary>
    public void Add(string name, ModuleBuffer? value)
    {
        if (value is not null)
            Buffers.Add((name, value));
    }

    /// <summary>Adds a module; null is left out.</summary>
    public void Add(string name, Module? value)
    {
        if (value is not null)
            Children.Add((name, value));
    }
}
