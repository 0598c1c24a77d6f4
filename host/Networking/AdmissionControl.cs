namespace PluginServer.Networking;

/// <summary>Gets the places that a client of an endpoint needs, the endpoint's and the host's, as the endpoint's rule says at each moment:
/// by waiting, or not at all.</summary>
internal sealed class AdmissionControl(Endpoint endpoint, Places host)
{
    /// <summary>A place within the endpoint's limit.</summary>
    public ValueTask<Place?> TakeAsync(bool draining, CancellationToken cut) => TakeAsync(endpoint.Places, draining, cut);

    /// <summary>As <see cref="CompleteAsync"/>, for who has a place, where nothing has to be waited for; otherwise null, and the place stays, or is
    /// given back where the limit was lowered.</summary>
    public Place? TryComplete(ref Place? place)
    {
        if (place is null || host.TryTake() is not { } also)
        {
            return null;
        }

        var mine = place;
        place = null;
        if (mine.Confirm())
        {
            return mine.With(also);
        }

        also.Dispose();
        return null;
    }

    /// <summary>For an accepted client a place within the endpoint's limit, where it has none, and the host's; null where it is to be
    /// refused. The host's only after the accept: held while nobody comes, it would be missing on the other endpoints.</summary>
    public async ValueTask<Place?> CompleteAsync(Place? place, bool draining, CancellationToken cut)
    {
        try
        {
            while (true)
            {
                place ??= await TakeAsync(draining, cut);
                if (place is null || await TakeAsync(host, draining, cut) is not { } also)
                {
                    return null;
                }

                if (place.Confirm())
                {
                    var complete = place.With(also);
                    place = null;
                    return complete;
                }

                // The endpoint's limit was lowered since its place was taken.
                also.Dispose();
                place = null;
            }
        }
        finally
        {
            place?.Dispose();
        }
    }

    /// <summary>A place, waited for where the rule says so; null where it refuses, from the start or by an edit.</summary>
    private async ValueTask<Place?> TakeAsync(Places places, bool draining, CancellationToken cut)
    {
        while (true)
        {
            var rule = endpoint.Admission;
            if (places.TryTake() is { } place)
            {
                return place;
            }

            if (rule.Refuses)
            {
                return null;
            }

            if (draining)
            {
                endpoint.Connections.Drain();
            }

            using var until = CancellationTokenSource.CreateLinkedTokenSource(cut, rule.Replaced);
            try
            {
                return await places.TakeAsync(until.Token);
            }
            catch (OperationCanceledException) when (!cut.IsCancellationRequested)
            {
                // Another rule holds.
            }
        }
    }
}
