using Tessera.Native;

namespace Tessera;

/// <summary>
/// Work on a CUDA device that was recorded once and is then started as a whole: the processor's part, some microseconds for each
/// operator, falls away.
/// </summary>
/// <remarks>
/// A replay runs the same kernels on the same memory. So whatever changes from one to the next has to lie in tensors that stay: new
/// inputs are copied into those that were read while recording (<c>Copy_</c>), results are read from tensors that were kept
/// (<see cref="Tensor.Keep"/>). Numbers of the processor are frozen, and nothing may wait for the device while recording, as
/// <see cref="Tensor.ToDouble"/> does. Random numbers differ from replay to replay. For a step of training, set
/// <see cref="Optim.Optimizer.Recordable"/> beforehand.
/// </remarks>
public sealed class CudaGraph : IDisposable
{
    [ThreadStatic]
    private static bool recording;

    private nint handle;

    private CudaGraph(nint handle) => this.handle = handle;

    /// <summary>Whether this thread is recording.</summary>
    public static bool IsRecording => recording;

    /// <summary>Runs something some times, as engine and libraries set themselves up then, and records it.</summary>
    /// <param name="body">What is recorded. Its runs before that count: a step of training is done so many times.</param>
    /// <param name="device">Number of the device.</param>
    /// <param name="warmUps">Runs beforehand; at least one.</param>
    /// <returns>The graph; nothing of the recorded run has been computed yet.</returns>
    /// <exception cref="NotSupportedException">There is no such device.</exception>
    /// <exception cref="TorchException">Something in it cannot be recorded.</exception>
    public static CudaGraph Capture(Action body, int device = 0, int warmUps = 3)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentOutOfRangeException.ThrowIfLessThan(warmUps, 1);
        if (recording)
            throw new InvalidOperationException("a graph is being recorded already");
        if (Cuda.Count is var count && (device < 0 || device >= count))
            throw new NotSupportedException(
                count == 0
                    ? "a CUDA graph needs a CUDA device, and there is none (tessera info shows what there is)"
                    : $"there is no CUDA device {device}: the devices are 0 to {count - 1}"
            );
        Dispatcher.Check(Imports.CudaGraphNew(device, out var handle));
        var graph = new CudaGraph(handle);
        try
        {
            graph.Record(body, warmUps);
            return graph;
        }
        catch
        {
            graph.Dispose();
            throw;
        }
    }

    private void Record(Action body, int warmUps)
    {
        Dispatcher.Check(Imports.CudaGraphEnter(handle));
        try
        {
            for (var i = 0; i < warmUps; i++)
                Run(body);
            // What lies about would be freed while recording.
            Torch.Collect();
            Dispatcher.Check(Imports.CudaGraphBegin(handle));
            recording = true;
            try
            {
                Run(body);
            }
            catch
            {
                // The recording has to end all the same; what the engine says of a broken one tells less than what broke it.
                _ = Imports.CudaGraphEnd(handle);
                throw;
            }
            finally
            {
                recording = false;
            }
            Dispatcher.Check(Imports.CudaGraphEnd(handle));
        }
        finally
        {
            Dispatcher.Check(Imports.CudaGraphLeave(handle));
        }
    }

    private static void Run(Action body)
    {
        using var scope = new Scope();
        body();
    }

    /// <summary>Starts what was recorded; like every operator it returns before the device is done.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(handle == 0, this);
        Dispatcher.Check(Imports.CudaGraphReplay(handle));
    }

    /// <summary>Frees the graph and its memory: tensors that were kept from the recording must not be used any more.</summary>
    public void Dispose()
    {
        var old = handle;
        handle = 0;
        if (old != 0)
            Dispatcher.Check(Imports.CudaGraphFree(old));
    }
}
