namespace Tessera.Data;

/// <summary>
/// Random numbers that depend on their key alone (a seed, an epoch, a sample), so that the draws for a sample do not
/// depend on who draws it or when: a counter run through the mixer of SplitMix64 (Steele et al., 2014).
/// </summary>
public struct SampleRandom
{
    private const ulong Step = 0x9E3779B97F4A7C15;
    private ulong state;

    /// <summary>The numbers of a sample in an epoch.</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="index">Sample in its data set.</param>
    /// <param name="stream">Use of the numbers: different streams are independent.</param>
    public SampleRandom(ulong seed, long epoch, long index, int stream = 0) =>
        state = Mix(Mix(Mix(Mix(seed + Step) ^ (ulong)epoch) + Step ^ (ulong)index) + Step ^ (ulong)stream);

    /// <summary>64 random bits.</summary>
    public ulong NextBits() => Mix(state += Step);

    /// <summary>Uniform in [0, 1), of 53 bits.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1L << 53));

    /// <summary>Uniform between two bounds.</summary>
    public double Uniform(double low, double high) => low + (high - low) * NextDouble();

    /// <summary>Uniform integer in [0, count).</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is not positive.</exception>
    public int Below(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        // Multiplication instead of a remainder; the few values that would favour some results are drawn again.
        while (true)
        {
            var product = (NextBits() >> 32) * (ulong)count;
            if ((uint)product >= (uint)(-count) % (uint)count)
                return (int)(product >> 32);
        }
    }

    /// <summary>Uniform integer in [low, high], both included.</summary>
    public int Between(int low, int high) => low + Below(high - low + 1);

    /// <summary>True with the given probability.</summary>
    public bool Chance(double probability) => NextDouble() < probability;

    /// <summary>Normal with mean 0 and deviation 1 (Box and Muller, 1958).</summary>
    public double Normal()
    {
        var radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        return radius * Math.Cos(2 * Math.PI * NextDouble());
    }

    /// <summary>Beta distribution of two positive parameters, as the share of one gamma draw in two.</summary>
    public double Beta(double alpha, double beta)
    {
        var (x, y) = (LogGamma(alpha), LogGamma(beta));
        return 1 / (1 + Math.Exp(y - x));
    }

    // The logarithm of a gamma draw: small shapes underflow otherwise (Marsaglia and Tsang, 2000; below 1 with their boost).
    private double LogGamma(double shape)
    {
        if (shape < 1)
            return LogGamma(shape + 1) + Math.Log(1 - NextDouble()) / shape;
        var d = shape - 1 / 3.0;
        var c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            var x = Normal();
            var v = 1 + c * x;
            if (v <= 0)
                continue;
            v = v * v * v;
            if (Math.Log(1 - NextDouble()) < 0.5 * x * x + d - d * v + d * Math.Log(v))
                return Math.Log(d) + Math.Log(v);
        }
    }

    /// <summary>Brings items into a random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Below(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
