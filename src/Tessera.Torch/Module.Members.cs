using System.ComponentModel;

namespace Tessera;

public abstract partial class Module
{
    /// <summary>
    /// The parameters, buffers and children of one module, by name, in the order of their fields. Generated code fills it; only a class
    /// that holds a number of members which is not known when it is compiled does it by itself.
    /// </summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public sealed class Members
    {
        internal List<(string Name, Parameter Value)> Parameters { get; } = [];

        internal List<(string Name, ModuleBuffer Value)> Buffers { get; } = [];

        internal List<(string Name, Module Value)> Children { get; } = [];

        internal Members() { }

        /// <summary>Adds a parameter; null is left out.</summary>
        /// <param name="name">Its name in the state dict.</param>
        /// <param name="value">The parameter.</param>
        public void Add(string name, Parameter? value)
        {
            if (value is not null)
                Parameters.Add((name, value));
        }

        /// <summary>Adds a buffer; null is left out.</summary>
        /// <param name="name">Its name in the state dict.</param>
        /// <param name="value">The buffer.</param>
        public void Add(string name, ModuleBuffer? value)
        {
            if (value is not null)
                Buffers.Add((name, value));
        }

        /// <summary>Adds a module; null is left out.</summary>
        /// <param name="name">Its name in the state dict.</param>
        /// <param name="value">The module.</param>
        public void Add(string name, Module? value)
        {
            if (value is not null)
                Children.Add((name, value));
        }
    }
}
