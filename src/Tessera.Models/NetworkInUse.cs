namespace Tessera.Models;

/// <summary>Ends the use of a network of a supernet (<see cref="ISearchable{TGenome}"/>) once it is disposed of.</summary>
/// <param name="end">Takes the choice back.</param>
internal sealed class NetworkInUse(Action end) : IDisposable
{
    private Action? end = end;

    /// <inheritdoc/>
    public void Dispose()
    {
        end?.Invoke();
        end = null;
    }
}
