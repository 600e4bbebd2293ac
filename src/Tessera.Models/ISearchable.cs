namespace Tessera.Models;

/// <summary>
/// A supernet: a backbone that holds many networks. Called as it is, it computes one of them, which a caller chooses for as long as it
/// needs it; there is no choice that outlives its user.
/// </summary>
/// <typeparam name="TGenome">What names a network of the space.</typeparam>
public interface ISearchable<in TGenome>
{
    /// <summary>
    /// Lets the model compute a network until the result is disposed of; before and after, it computes its largest or first.
    /// </summary>
    /// <param name="genome">The network.</param>
    /// <exception cref="ArgumentException">It is no network of the space.</exception>
    /// <exception cref="InvalidOperationException">Another network is in use.</exception>
    IDisposable Use(TGenome genome);
}
